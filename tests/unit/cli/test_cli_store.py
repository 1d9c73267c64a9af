"""push, pull, store check and store gc, as a person types them."""

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from outcome import Run
from rich.console import Console

from edgewise.cli._transfers import Bars
from edgewise.store.oci.copy import copy
from edgewise.store.oci.layout import Layout
from edgewise.store.oci.place import document
from edgewise.store.steps import Store
from fakes import images
from fakes.registries import FakeRegistry


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with FakeRegistry() as registry:
        yield registry


@pytest.fixture
def store(home: Path) -> Layout:
    """The store of whoever types, with the image app:1."""
    store = Layout(home / ".cache/edgewise")
    images.image(store, "app:1", layers=[{"a": b"a" * 5000}, {"b": b"b"}])
    return store


def test_push_and_pull(edgewise_command: Run, store: Layout, fake: FakeRegistry, home: Path) -> None:
    made = store.resolve("app:1")
    name = f"{fake.host}/team/app:1"
    done = edgewise_command("push", "app:1", name, "-o", "json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["digest"] == made.digest
    assert (document["name"], document["there_bytes"]) == (name, 0)
    assert document["moved_bytes"] > 100
    pulled = edgewise_command("pull", name, "--store", home / "elsewhere", "-o", "name")
    assert pulled.out == f"{made.digest}\n"
    assert Layout(home / "elsewhere").references()[name].digest == made.digest
    again = edgewise_command("pull", name, "--store", home / "elsewhere")
    assert "0 B moved" in again.out
    assert "were there already" in again.out


def test_a_usb_stick_there_and_back(edgewise_command: Run, store: Layout, home: Path) -> None:
    assert edgewise_command("push", "app:1", "oci:usb").code == 0
    assert edgewise_command("store", "check", home / "usb").out.startswith("1 name, 4 blobs")
    assert edgewise_command("pull", "oci:usb", "--store", home / "elsewhere").code == 0
    assert list(Layout(home / "elsewhere").references()) == ["app:1"]
    assert edgewise_command("push", "oci:usb:app:1", "./other:renamed").code == 0
    assert list(Layout(home / "other").references()) == ["renamed"]


@pytest.mark.parametrize("mode", ["plain", "json", "none"])
def test_progress_of_every_layer(edgewise_command: Run, store: Layout, mode: str) -> None:
    done = edgewise_command("push", "app:1", "oci:usb", "--progress", mode)
    lines = done.err.splitlines()
    assert len(lines) == {"plain": 3, "json": 3, "none": 0}[mode]
    if mode == "json":
        ended = [json.loads(line) for line in lines]
        assert all(line["done"] == line["total"] and line["note"] == "copied" for line in ended)
        assert all(line["stage"].startswith("sha256:") for line in ended)
    if mode == "plain":
        assert all(line.endswith(", copied") for line in lines)


def test_bars_of_every_layer(store: Layout, home: Path) -> None:
    screen = io.StringIO()
    bars = Bars(Console(file=screen, force_terminal=True, width=100))
    with bars.progress:
        copy(store, Layout(home / "usb"), "app:1", transfers=bars)
    layers = document(store, store.resolve("app:1")).needs
    for layer in layers:
        assert layer.digest.removeprefix("sha256:")[:12] in screen.getvalue()
    assert screen.getvalue().count("copied") >= len(layers)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["push", "app:2", "oci:usb"], 18, "did you mean app:1?"),
        (["push", "app:1", "usb"], 49, "names no registry"),
        (["push", "app:1", "127.0.0.1:1/app@sha256:" + "0" * 64], 49, "write a tag"),
        (["pull", "oci:nowhere"], 49, "--as NAME"),
        (["pull", "oci:nowhere:app"], 18, "no OCI image layout"),
        (["pull", "docker://x.example/a"], 49, "begins with docker://"),
        (["store", "check", "nowhere"], 18, "no folder"),
        (["store", "gc", "--forget", "app:9"], 18, "app:9"),
        (["store", "gc", "--grace", "soon"], 2, "--grace"),
        (["store", "gc", "--dry-run", "--forget", "app:1"], 2, "without --dry-run"),
    ],
)
def test_what_cannot_be_done_is_said(
    edgewise_command: Run, store: Layout, arguments: list[str], code: int, said: str
) -> None:
    before = images.snapshot(store)
    done = edgewise_command(*arguments)
    assert done.code == code, done.err
    assert said in done.err
    assert done.out == ""
    assert images.snapshot(store) == before


def test_check_finds_names_and_removes(edgewise_command: Run, store: Layout) -> None:
    sizes = sum(path.stat().st_size for path in (store.folder / "blobs/sha256").iterdir())
    assert edgewise_command("store", "check").out == f"1 name, 4 blobs, {sizes / 1024:.2f} KiB: no faults\n"
    path = next(path for path in (store.folder / "blobs/sha256").iterdir())
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[3] ^= 4
    path.write_bytes(content)
    done = edgewise_command("store", "check", "-o", "name")
    assert (done.code, done.out.splitlines()[0]) == (41, f"blobs/sha256/{path.name}")
    assert "--remove" in done.err
    document = json.loads(edgewise_command("store", "check", "-o", "json").out)
    assert document["findings"][0]["problem"].startswith("damaged")
    assert path.exists()
    assert edgewise_command("store", "check", "--remove").code == 41
    assert not path.exists()


def test_gc_gives_space_back(edgewise_command: Run, store: Layout) -> None:
    steps = Store(store.folder)
    steps.record("step", 1, blobs=(steps.blobs.put(b"of a step"),))
    images.keep(store, b"garbage", "application/octet-stream")
    assert json.loads(edgewise_command("store", "gc", "-o", "json").out)["removed"] == []
    for path in store.folder.rglob("*"):
        os.utime(path, (0, 0))
    assert len(edgewise_command("store", "gc", "--dry-run", "-o", "name").out.split()) == 1
    assert edgewise_command("store", "gc").out == "1 blob removed, 7 B; 5 kept\n"
    assert edgewise_command("store", "gc", "--forget", "app:1", "-o", "table").out.startswith("4 blobs removed")
    assert edgewise_command("store", "gc", "--steps", "--grace", "0s").out == "1 blob removed, 9 B; 0 kept\n"
