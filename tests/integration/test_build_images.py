"""Real images: from Debian's packages and PyPI's wheels to containers that run, read by tools that are not ours."""

import base64
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import zstandard

from edgewise.build import inference, layout, sbom, sign
from edgewise.build.bases import debian, given, host, image
from edgewise.build.compress import Compression
from edgewise.build.image import About, HealthCheck, Settings
from edgewise.build.inference import Built, Order
from edgewise.build.layer import file, layer
from edgewise.build.pack import Packed, pack
from edgewise.build.platforms import AMD64, ARM64, PLATFORMS
from edgewise.build.wheels import resolve, unpack
from edgewise.errors import ChildFailed
from edgewise.store.oci.layout import Layout
from edgewise.store.steps import Store
from fakes import models
from fakes.needed import missing

pytestmark = pytest.mark.slow

ABOUT = About(title="meter", version="1.0", created=1_700_000_000)
SCRIPT = """
import importlib.util, json, os
import numpy as np
import onnxruntime
session = onnxruntime.InferenceSession("/models/model.onnx")
(given,) = session.get_inputs()
shape = [size if isinstance(size, int) else 1 for size in given.shape]
found = session.run(None, {given.name: np.ones(shape, np.float32)})[0]
try:
    open("/tmp-of-mine", "w")
    written = True
except OSError:
    written = False
print(json.dumps({
    "answer": found.ravel().tolist(),
    "user": os.getuid(),
    "written": written,
    "openvino": importlib.util.find_spec("openvino") is not None,
    "shells": [one for one in ("/bin/sh", "/bin/bash", "/usr/bin/apt", "/usr/bin/dpkg") if os.path.exists(one)],
    "telemetry": os.environ["ORT_DISABLE_TELEMETRY"],
}))
"""
PODMAN = ("podman", "--cgroup-manager=cgroupfs", "--runtime", "runc")
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """What all tests here look at.

    Attributes:
        built: by platform; on Debian, ONNX Runtime, zstd.
        layout: holds `meter` (the index) and `host`.
    """

    store: Store
    built: dict[str, Built]
    layout: Layout


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            missing(f"{program} (apt install {program})")


def said(*argv: str | Path) -> str:
    done = subprocess.run([str(one) for one in argv], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def top(store: Store) -> list[Packed]:
    content = models.mlp().SerializeToString()
    files = [file("models/model.onnx", content), file("opt/edgewise/infer.py", SCRIPT.encode())]
    return [pack(layer(files, mtime=ABOUT.created), store, title="model")]


def order() -> Order:
    return Order(
        runtime="onnxruntime",
        settings=Settings(
            entry_point=("/usr/bin/python3", "/opt/edgewise/infer.py"),
            health=HealthCheck(command=("/usr/bin/python3", "-c", "import onnxruntime")),
        ),
        about=ABOUT,
    )


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    need("mmdebstrap")
    store = Store(tmp_path_factory.mktemp("shelf") / "store")
    built, referrers = {}, []
    try:
        for platform in PLATFORMS.values():
            debs = debian.resolve(platform, store)
            base = debian.base(debs, platform, store, mtime=ABOUT.created)
            made = inference.build(base, order(), store, top=top(store), components=[sbom.of_deb(one) for one in debs])
            built[platform.architecture] = made
            referrers += [made.sbom, made.provenance]
        on_host = inference.build(host.base(store), order(), store, top=top(store))
    except ChildFailed as error:
        missing(f"the network, or what comes through it ({error.message}),")
    target = Layout(tmp_path_factory.mktemp("layout") / "images")
    named = {"meter": inference.over(list(built.values()), ABOUT, store), "host": on_host.image}
    layout.write(target, named, store, referrers=referrers)
    return Shelf(store=store, built=built, layout=target)


@pytest.fixture
def podman() -> Iterator[Sequence[str]]:
    """Podman with images and containers of its own, which are gone afterwards."""
    need("podman", "runc")
    if os.geteuid() != 0:
        missing("root, for podman without user namespaces,")
    with tempfile.TemporaryDirectory(prefix="ew-") as folder:  # podman takes no longer runroot than 50 characters
        yield (*PODMAN, "--root", f"{folder}/root", "--runroot", f"{folder}/run", "--storage-driver", "vfs")


@pytest.mark.parametrize("tag", ["meter", "host"])
def test_a_container_answers_as_a_user_who_may_write_nowhere(shelf: Shelf, podman: Sequence[str], tag: str) -> None:
    identity = said(*podman, "pull", "--quiet", f"oci:{shelf.layout.folder}:{tag}").strip()
    found = json.loads(
        said(*podman, "run", "--rm", "--read-only", "--network=none", *LIMITS, identity).splitlines()[-1]
    )

    session = onnxruntime.InferenceSession(models.mlp().SerializeToString())
    (given_input,) = session.get_inputs()
    shape = [size if isinstance(size, int) else 1 for size in given_input.shape]
    expected = session.run(None, {given_input.name: np.ones(shape, np.float32)})[0]
    np.testing.assert_allclose(found.pop("answer"), expected.ravel(), rtol=1e-4)
    assert found == {"user": 65532, "written": False, "openvino": False, "shells": [], "telemetry": "1"}


def files(shelf: Shelf, architecture: str) -> dict[str, bytes]:
    """Every regular file of an image, layers in order."""
    manifest = json.loads(shelf.store.blobs.get(shelf.built[architecture].image.digest))
    found = {}
    for one in manifest["layers"]:
        content = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(shelf.store.blobs.get(one["digest"]))).read()
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            found |= {info.name: archive.extractfile(info).read() for info in archive if info.isfile()}  # type: ignore[union-attr]
    return found


@pytest.mark.parametrize(("architecture", "machine"), [("amd64", 62), ("arm64", 183)])
def test_every_program_in_an_image_is_for_its_machine(shelf: Shelf, architecture: str, machine: int) -> None:
    found = files(shelf, architecture)
    programs = {path: content for path, content in found.items() if content[:4] == b"\x7fELF"}
    assert {int.from_bytes(content[18:20], "little") for content in programs.values()} == {machine}
    assert len(programs) > 50
    assert not [path for path in found if "openvino" in path.lower()]
    assert "usr/share/doc/libc6/copyright" in found
    assert not [path for path in found if path.startswith("opt/") and "libonnxruntime.so" in path]


def test_the_bill_lists_what_came_and_no_more(shelf: Shelf) -> None:
    made = shelf.built["arm64"]
    (attached,) = (one for one in shelf.layout.referrers(made.image.digest) if one.artifact_type == sbom.MEDIA_TYPE)
    manifest = json.loads(shelf.store.blobs.get(attached.digest))
    document = json.loads(shelf.store.blobs.get(manifest["layers"][0]["digest"]))
    names = {package["name"] for package in document["packages"]}
    assert {"meter", "numpy", "onnxruntime", "libc6", "python3.11-minimal"} <= names
    assert not {"openvino", "dpkg", "dash"} & names
    assert len(shelf.layout.referrers(made.image.digest)) == 2


def test_skopeo_copies_both_platforms_and_finds_every_digest_right(shelf: Shelf, tmp_path: Path) -> None:
    need("skopeo")
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    source = f"oci:{shelf.layout.folder}:meter"
    said("skopeo", "copy", "--all", "--policy", policy, source, f"oci:{tmp_path}/copy:meter")
    assert Layout(tmp_path / "copy").resolve("meter").digest == shelf.layout.resolve("meter").digest
    found = json.loads(said("skopeo", "inspect", "--override-arch=arm64", source))
    assert found["Architecture"] == "arm64"
    assert found["Created"] == "2023-11-14T22:13:20Z"


def test_umoci_unpacks_a_gzip_base(shelf: Shelf, tmp_path: Path) -> None:
    need("umoci")
    if os.geteuid() != 0:
        missing("root, to unpack with owners,")
    debs = debian.resolve(AMD64, shelf.store)
    made = image.of(
        debian.base(debs, AMD64, shelf.store, compression=Compression.GZIP), About(title="debian"), shelf.store
    )
    layout.write(Layout(tmp_path / "layout"), {"debian": made.image}, shelf.store)
    said("umoci", "unpack", "--image", f"{tmp_path}/layout:debian", tmp_path / "bundle")
    root = tmp_path / "bundle" / "rootfs"
    assert (root / "usr/bin/python3").readlink() == Path("python3.11")
    assert (root / "tmp").stat().st_mode & 0o7777 == 0o1777
    assert (root / "etc/passwd").stat().st_uid == 0


def test_an_image_is_a_base_for_the_next(shelf: Shelf) -> None:
    index = shelf.layout.resolve("meter").digest
    found = given.base(index, ARM64, shelf.layout.blobs, name="meter")
    assert (found.python, found.glibc, found.kind) == ((3, 11), 36, "debian")
    assert len(found.layers) == 3


def test_compressors_answer_alike_on_arm64(shelf: Shelf, tmp_path: Path) -> None:
    """Under emulation, with the arm64 wheels of the compressors and the Python of the arm64 base."""
    need("qemu-aarch64")
    root = tmp_path / "root"
    manifest = json.loads(shelf.store.blobs.get(shelf.built["arm64"].image.digest))
    with (
        zstandard.open(shelf.store.blobs.path(manifest["layers"][0]["digest"])) as content,
        tarfile.open(fileobj=content, mode="r|") as archive,
    ):
        archive.extractall(root, filter="tar")
    target = resolve.Target(platform=ARM64, python=(3, 11), glibc=36)
    wheels = resolve.resolve(["deflate==0.9.0", "zstandard==0.25.0"], target, shelf.store)
    for entry in unpack.entries(wheels, shelf.store.blobs):
        path = root / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(entry.content.chunks()))
    source = Path(inference.__file__).parents[2]
    script = (
        f"import sys; sys.path[:0] = [{str(root / unpack.SITE)!r}, {str(source)!r}]; import platform;"
        "from edgewise.build import compress;"
        "[compress.check(one) for one in compress.KNOWN]; print(platform.machine())"
    )
    python = root / "usr/bin/python3.11"
    assert (
        said("env", "-i", "PYTHONDONTWRITEBYTECODE=1", "qemu-aarch64", "-L", root, python, "-c", script) == "aarch64\n"
    )


def test_openssl_verifies_what_we_sign(shelf: Shelf, tmp_path: Path) -> None:
    need("openssl")
    private, public = sign.make_key(tmp_path)
    blobs = shelf.store.blobs
    signed = sign.sign(shelf.built["amd64"].image, "registry.example/meter", sign.read_key(private), blobs)
    (one,) = json.loads(blobs.get(signed.manifest.digest))["layers"]

    (tmp_path / "signature").write_bytes(base64.b64decode(one["annotations"][sign.SIGNATURE]))
    content = blobs.path(one["digest"])
    argv = ("openssl", "dgst", "-sha256", "-verify", public, "-signature", tmp_path / "signature", content)
    assert said(*argv) == "Verified OK\n"
