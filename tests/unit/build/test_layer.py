"""Layers: what is refused, in what order things stand, and tar bytes that others read."""

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.build import tar
from edgewise.build.content import Inline
from edgewise.build.layer import Entry, Kind, Layer, file, folder, layer, opaque, symlink, whiteout
from edgewise.errors import BadImage

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=60).filter(
    lambda name: name not in (".", "..") and not name.startswith(".wh.")
)
PATHS = st.lists(NAMES, min_size=1, max_size=5).map("/".join)


def bytes_of(made: Layer) -> bytes:
    return b"".join(tar.stream(made))


def read(made: Layer) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(bytes_of(made))) as archive:
        return archive.getmembers()


@pytest.mark.parametrize(
    "path", ["../x", "a/../../x", "/etc/passwd", "a//b", "./a", "a/.", "", "a/", "..", "a\0b", "a/\ud800"]
)
def test_a_path_that_climbs_out_or_cannot_be_written_is_refused(path: str) -> None:
    with pytest.raises(BadImage, match="path"):
        layer([file(path, b"")])


@pytest.mark.parametrize(
    ("path", "target"),
    [("a", "../x"), ("a/b", "../../x"), ("a/b", "c/../../../x"), ("a", "/../x"), ("a/b/c", "../../../x"), ("a", "")],
)
def test_a_link_that_leads_out_is_refused(path: str, target: str) -> None:
    with pytest.raises(BadImage, match="points out of the image"):
        layer([symlink(path, target)])


@pytest.mark.parametrize(("path", "target"), [("a", "x"), ("a/b", "../x"), ("a/b/c", "../../x/../y"), ("a", "/etc/x")])
def test_a_link_that_stays_inside_is_kept_as_it_is(path: str, target: str) -> None:
    (link,) = (entry for entry in layer([symlink(path, target)]).entries if entry.kind is Kind.SYMLINK)
    assert link.target == target


@pytest.mark.parametrize("above", [file("a", b""), symlink("a", "/tmp")])
def test_nothing_stands_below_what_is_no_folder(above: Entry) -> None:
    with pytest.raises(BadImage, match="stands below 'a'"):
        layer([above, file("a/b", b"")])


def test_one_path_holds_one_thing() -> None:
    with pytest.raises(BadImage, match="twice"):
        layer([file("a", b"1"), file("a", b"1")])
    with pytest.raises(BadImage, match="twice"):
        layer([folder("a"), file("a", b"1")])
    assert [entry.path for entry in layer([folder("a"), folder("a")]).entries] == ["a"]


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o10644])
def test_set_user_id_is_refused(mode: int) -> None:
    with pytest.raises(BadImage, match="set-user-id"):
        layer([file("a", b"", mode=mode)])


def test_a_file_cannot_pass_for_a_whiteout() -> None:
    with pytest.raises(BadImage, match="would remove"):
        layer([file("a/.wh.b", b"")])


def test_whiteouts_stand_where_the_specification_says() -> None:
    names = [entry.path for entry in layer([whiteout("a/b"), whiteout("c"), opaque("d")]).entries]
    assert names == [".wh.c", "a", "a/.wh.b", "d", "d/.wh..wh..opq"]


def test_owner_time_and_device_say_nothing_of_this_machine() -> None:
    made = layer([file("a/b", b"12", mode=0o755), symlink("c", "a/b"), folder("tmp", mode=0o1777)], mtime=86400)
    found = read(made)
    assert [(one.name, one.mode, one.size) for one in found] == [
        ("a", 0o755, 0),
        ("a/b", 0o755, 2),
        ("c", 0o777, 0),
        ("tmp", 0o1777, 0),
    ]
    assert {(one.uid, one.gid, one.uname, one.gname, one.mtime, one.devmajor) for one in found} == {
        (0, 0, "", "", 86400, 0)
    }


@given(st.dictionaries(PATHS, st.binary(max_size=2000), min_size=1, max_size=8), st.randoms())
def test_what_goes_in_comes_out_whatever_the_order(files: dict[str, bytes], random: object) -> None:
    entries = [file(path, content) for path, content in files.items()]
    try:
        made = layer(entries)
    except BadImage:
        assert any(other.startswith(f"{path}/") for path in files for other in files)
        return
    content = bytes_of(made)
    random.shuffle(entries)  # type: ignore[attr-defined]
    assert bytes_of(layer(entries)) == content
    assert len(content) % tar.RECORD == 0
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        found = {one.name: archive.extractfile(one) for one in archive if one.isfile()}
        assert {name: opened.read() for name, opened in found.items() if opened} == files


@pytest.mark.parametrize("length", [99, 100, 101, 155, 156, 250, 255, 256, 257, 1000])
@pytest.mark.parametrize("shape", ["one name", "folders"])
def test_paths_and_links_of_every_length(length: int, shape: str) -> None:
    path = ("d" * 9 + "/") * (length // 10) + "f" * (length % 10 or 1) if shape == "folders" else "n" * length
    made = layer([file(path, b"x"), symlink("link", "t" * length)])
    found = {one.name: one for one in read(made)}
    assert found[path].size == 1
    assert found["link"].linkname == "t" * length


class _Lying(Inline):
    """Says that it is longer than it is, as a file that shrinks while it is read."""

    @property
    def size_bytes(self) -> int:
        return 10


@pytest.mark.parametrize("content", [b"short", b"this is longer than it said"])
def test_a_file_that_changes_meanwhile_is_an_error(content: bytes) -> None:
    made = layer([Entry(path="a", kind=Kind.FILE, content=_Lying(content))])
    with pytest.raises(BadImage, match="changed while it was packed"):
        bytes_of(made)


def test_eight_gigabytes_are_said_in_a_pax_header() -> None:
    entry = Entry(path="big", kind=Kind.FILE, content=_Huge(b""))
    header = next(tar.stream(Layer(entries=(entry,), mtime=0)))
    assert header[156:157] == b"x"


class _Huge(Inline):
    @property
    def size_bytes(self) -> int:
        return 8 << 30
