"""A new model: rebuilt and pushed, beside buildah; and how large an inference image is, beside pip install.

    python bench/build.py --folder ~/.cache/edgewise-bench [--rounds 5] [--megabytes 16] [--write]

Needs buildah, mmdebstrap and docker-registry, root, and the network the first time: packages are kept in the folder.
Both builders put the same files on the same layers: what buildah starts from is our inference image without a model.
Its Containerfile is `FROM` that image and `COPY` of the model folder; it stores by overlay, as it does by itself, and
runs with --isolation chroot. Rounds are interleaved, each with weights of its own; medians, the least and the most.

What `edgewise build` does beside, reading the plan and the golden's predictions from the store, takes 0.02 s and is in
no figure. The pip image is Debian with python3 and pip, and what pip installs for the same server: onnxruntime, uvloop,
httptools and orjson with all their dependencies; Edgewise's own sources are in both. It is packed by our own packer, so
that contents are compared and not compressors.
"""

import argparse
import hashlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

import edgewise
from edgewise.build import compress
from edgewise.build.compress import Compression
from edgewise.build.content import OnDisk
from edgewise.build.layer import file, layer
from edgewise.build.pack import pack
from edgewise.build.platforms import AMD64, PLATFORMS
from edgewise.build.strategies.bundle import Strategy
from edgewise.build.strategies.make import Made, Wanted, make
from edgewise.build.strategies.model import ModelFolder
from edgewise.flow import bases
from edgewise.nouns import ModelFile, RuntimeConfiguration, RuntimeName, ServedModel, Signature, Tensor
from edgewise.runtimes import served
from edgewise.runtimes.protocol import versions
from edgewise.store.oci.copy import copy
from edgewise.store.oci.layout import Layout
from edgewise.store.oci.registry import Registry
from edgewise.store.steps import Store

README = Path(__file__).with_name("README.md")
MARK, END = "<!-- written by bench/build.py --write -->", "<!-- end of what bench/build.py wrote -->"
PIP = ("onnxruntime", "uvloop", "httptools", "orjson")
MB = 1e6


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="what is downloaded stays here")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=16, help="of the model's weights, float32")
    parser.add_argument("--write", action="store_true", help="put the table into bench/README.md")
    given = parser.parse_args()
    for program in ("buildah", "mmdebstrap", "docker-registry"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is missing: apt-get install {program}")
    given.folder.mkdir(parents=True, exist_ok=True)
    lines = [*updates(given.folder, given.rounds, given.megabytes), "", *sizes(given.folder)]
    text = "\n".join(lines)
    print(text)
    if given.write:
        content = README.read_text()
        before, _, rest = content.partition(MARK)
        README.write_text(f"{before}{MARK}\n\n{text}\n\n{END}{rest.partition(END)[2]}")


# --- a new model -----------------------------------------------------------------------------------


def updates(folder: Path, rounds: int, megabytes: int) -> list[str]:
    """Rebuild and push with only the model changed, in turn with buildah."""
    store = Store(folder / "store")
    peer = Buildah(folder)
    peer.clear()
    took: dict[str, list[float]] = {name: [] for name in ("rebuild", "compress", "push", "bud", "bud push")}
    moved: dict[str, list[float]] = {"ours": [], "buildah": []}
    with registry(folder) as (host, data):
        first = built(store, model(store, -1, megabytes))
        push(store, first, host)
        peer.start(store, first[Strategy.EXTERNAL], host)
        peer.model(store, model(store, -1, megabytes))
        peer.bud()
        peer.push(host)
        for number in range(rounds):
            new = model(store, number, megabytes)
            turns: list[Callable[[], None]] = [
                lambda new=new: ours(store, new, host, data, took, moved),  # type: ignore[misc]
                lambda new=new: peer.turn(store, new, host, data, took, moved),  # type: ignore[misc]
            ]
            for turn in turns if number % 2 else reversed(turns):
                turn()
    beyond = [a - b for a, b in zip(took["rebuild"], took["compress"], strict=True)]
    speed = [
        (c + d) / (a + b) for a, b, c, d in zip(*(took[k] for k in ("rebuild", "push", "bud", "bud push")), strict=True)
    ]
    only_build = [b / a for a, b in zip(took["rebuild"], took["bud"], strict=True)]
    bytes_ratio = [a / b for a, b in zip(moved["ours"], moved["buildah"], strict=True)]
    rows = [
        ("rebuild", "", spread(took["rebuild"], "s"), spread(took["bud"], "s")),
        ("rebuild without compression of the model", "at most 1 s", spread(beyond, "s"), ""),
        ("push", "", spread(took["push"], "s"), spread(took["bud push"], "s")),
        (
            "bytes that the registry gained",
            "the model's layer",
            spread(moved["ours"], "MB"),
            spread(moved["buildah"], "MB"),
        ),
        ("rebuild and push, buildah over ours", "at least 5", spread(speed, "times"), ""),
        ("rebuild alone, buildah over ours", "", spread(only_build, "times"), ""),
        ("bytes, ours over buildah's", "", spread(bytes_ratio, "times"), ""),
    ]
    head = (
        f"A new model of {megabytes} MB of float32 weights on ONNX Runtime's inference image, {rounds} rounds, zstd"
        f" {compress.ZSTD_LEVEL}; buildah {peer.version}, overlay."
        f" Load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores."
    )
    return [head, "", *table(("figure", "asked for", "edgewise", "buildah"), rows)]


def ours(
    store: Store, new: ModelFolder, host: str, data: Path, took: dict[str, list[float]], moved: dict[str, list[float]]
) -> None:
    before, started = grown(data), time.perf_counter()
    made = built(store, new)
    took["rebuild"].append(time.perf_counter() - started)
    started = time.perf_counter()
    push(store, made, host)
    took["push"].append(time.perf_counter() - started)
    moved["ours"].append((grown(data) - before) / MB)
    content = [b"".join(part for one in new.files for part in [store.blobs.get(one.digest)])]
    started = time.perf_counter()
    for _ in compress.compressed(iter(content), Compression.ZSTD):
        pass
    took["compress"].append(time.perf_counter() - started)


def built(store: Store, new: ModelFolder) -> dict[Strategy, Made]:
    """All three strategies, as `flow.build` makes them, and named."""
    below = bases.inference(bases.DEBIAN, AMD64, store, mtime=0)
    cars = bases.models(bases.DEBIAN, AMD64, store, mtime=0)
    made = make(Wanted(model=new, inference=(below,), models=(cars,)), store)
    layout = Layout(store.folder)
    embedded = made[Strategy.EMBEDDED]
    for referrer in embedded.referrers:
        layout.enter(referrer)
    layout.tag("bench:1", embedded.roots["inference"])
    return made


def push(store: Store, made: dict[Strategy, Made], host: str) -> None:
    with Registry(host, "ours") as there:
        copy(Layout(store.folder), there, made[Strategy.EMBEDDED].roots["inference"].digest, to="1")


def model(store: Store, seed: int, megabytes: int) -> ModelFolder:
    """A model of random weights."""
    random = np.random.default_rng(seed + 1)
    weights = (random.standard_normal(megabytes * 250_000, dtype=np.float32) * 0.05).tobytes()
    tensor = Tensor(name="x", dtype="float32", shape=("n", 16))
    given = ServedModel(
        name="bench",
        version="1",
        design="onnxruntime/given@1t",
        configuration=RuntimeConfiguration(
            runtime=RuntimeName.ONNXRUNTIME, version=versions()[RuntimeName.ONNXRUNTIME], threads=1
        ),
        files=(ModelFile(name="model.onnx", digest=store.blobs.put(weights), size_bytes=len(weights)),),
        signature=Signature(inputs=(tensor,), outputs=(replace(tensor, name="y"),)),
    )
    found = ModelFolder(model=given, document=served.written(given), precision="fp32")
    store.blobs.put(found.document)
    return found


class Buildah:
    """The peer, with storage of its own below the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "buildah"
        self._context = self._folder / "context"
        root = ["--root", str(self._folder / "root"), "--runroot", str(self._folder / "run")]
        self._argv = ["buildah", *root, "--storage-driver", "overlay"]

    @property
    def version(self) -> str:
        """Of the peer."""
        return run("buildah", "--version").split()[2]

    def clear(self) -> None:
        """Remove what earlier runs left."""
        if self._folder.exists():
            subprocess.run([*self._argv, "rmi", "--all", "--force"], capture_output=True, check=False)
            shutil.rmtree(self._folder, ignore_errors=True)
        self._context.mkdir(parents=True)

    def start(self, store: Store, plain: Made, host: str) -> None:
        """Pull our inference image without a model, which is what the Containerfile builds upon."""
        with Registry(host, "plain") as there:
            copy(Layout(store.folder), there, plain.roots["inference"].digest, to="1")
        run(*self._argv, "pull", "-q", "--tls-verify=false", f"{host}/plain:1")
        (self._folder / "Containerfile").write_text(f"FROM {host}/plain:1\nCOPY models /models/\n")

    def model(self, store: Store, new: ModelFolder) -> None:
        """The model folder as files, as a person would have it beside the Containerfile."""
        models = self._context / "models"
        shutil.rmtree(models, ignore_errors=True)
        models.mkdir()
        for one in new.files:
            (models / one.name).write_bytes(store.blobs.get(one.digest))

    def bud(self) -> None:
        """Build."""
        argv = [
            "bud",
            "-q",
            "--pull-never",
            "--isolation",
            "chroot",
            "-t",
            "bench",
            "-f",
            str(self._folder / "Containerfile"),
        ]
        run(*self._argv, *argv, str(self._context))

    def push(self, host: str) -> None:
        """Push."""
        run(*self._argv, "push", "-q", "--tls-verify=false", "bench", f"docker://{host}/buildah:1")

    def turn(
        self,
        store: Store,
        new: ModelFolder,
        host: str,
        data: Path,
        took: dict[str, list[float]],
        moved: dict[str, list[float]],
    ) -> None:
        """One round: build and push, timed."""
        self.model(store, new)
        before, started = grown(data), time.perf_counter()
        self.bud()
        took["bud"].append(time.perf_counter() - started)
        started = time.perf_counter()
        self.push(host)
        took["bud push"].append(time.perf_counter() - started)
        moved["buildah"].append((grown(data) - before) / MB)


# --- sizes -----------------------------------------------------------------------------------------


def sizes(folder: Path) -> list[str]:
    """The inference image of both platforms, and what pip install makes of the same."""
    store = Store(folder / "store")
    small = model(store, -1, 1)
    rows = []
    whole: dict[str, tuple[int, int]] = {}
    for platform in PLATFORMS.values():
        below = bases.inference(bases.DEBIAN, platform, store, mtime=0)
        cars = bases.models(bases.DEBIAN, platform, store, mtime=0)
        made = make(Wanted(model=small, inference=(below,), models=(cars,)), store)[Strategy.EXTERNAL]
        part = made.bundles[0].parts[0]
        for piece in part.pieces:
            rows.append(
                (str(platform), piece.title, f"{piece.size_bytes / MB:.2f} MB", f"{piece.unpacked_bytes / MB:.1f} MB")
            )
        whole[str(platform)] = (part.size_bytes, sum(piece.unpacked_bytes for piece in part.pieces))
        total = whole[str(platform)]
        rows.append((str(platform), "**whole image**", f"**{total[0] / MB:.1f} MB**", f"**{total[1] / MB:.1f} MB**"))
    packed, unpacked = pip_image(folder, store)
    rows.append(
        (
            "linux/amd64",
            "the same by pip install on Debian with Python",
            f"{packed / MB:.1f} MB",
            f"{unpacked / MB:.1f} MB",
        )
    )
    mine = whole["linux/amd64"]
    sentence = (
        f"Ours is {mine[0] / packed:.0%} of the image by pip as it is pulled, and {mine[1] / unpacked:.0%} unpacked;"
        " asked for is at most 60 %."
    )
    return [*table(("platform", "layer", "pulled", "unpacked"), rows), "", sentence]


def pip_image(folder: Path, store: Store) -> tuple[int, int]:
    """Bytes of a Debian root with python3 and pip, and what pip installs into it: packed, and as a tar."""
    root = folder / "pip-root"
    if not (root / "done").exists():
        shutil.rmtree(root, ignore_errors=True)
        run("mmdebstrap", "--quiet", "--variant=minbase", "--include=python3,python3-pip", "bookworm", str(root))
        target = root / "usr/local/lib/python3.11/dist-packages"
        argv = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target), "--python-version=3.11"]
        run(*argv, "--only-binary=:all:", "--implementation=cp", "--platform=manylinux_2_28_x86_64", *_tags(), *PIP)
        shutil.copytree(
            Path(edgewise.__file__).parent, target / "edgewise", ignore=shutil.ignore_patterns("__pycache__")
        )
        for cache in ("var/cache/apt", "var/lib/apt/lists"):  # as every guide has it
            shutil.rmtree(root / cache, ignore_errors=True)
        (root / "done").touch()
    digest = hashlib.sha256("\n".join(sorted(map(str, _files(root)))).encode()).hexdigest()
    kept = folder / f"pip-size-{digest[:16]}.json"
    if not kept.exists():
        entries = [file(str(path.relative_to(root)), OnDisk.at(path)) for path in _files(root)]
        packed = pack(layer(entries), store, title="pip")
        kept.write_text(json.dumps([packed.size_bytes, packed.tar_bytes]))
    found = json.loads(kept.read_text())
    return int(found[0]), int(found[1])


def _files(root: Path) -> Iterator[Path]:
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.name != "done":
            yield path


def _tags() -> Sequence[str]:
    return [f"--platform=manylinux_2_{minor}_x86_64" for minor in (27, 17)] + ["--platform=manylinux2014_x86_64"]


# --- what both need --------------------------------------------------------------------------------


@contextmanager
def registry(folder: Path) -> Iterator[tuple[str, Path]]:
    """docker-registry on loopback with an empty folder."""
    data = folder / "registry"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(data / "data")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    (data / "config.yml").write_text(json.dumps(settings))
    process = subprocess.Popen(["docker-registry", "serve", str(data / "config.yml")], stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"127.0.0.1:{port}", data
    finally:
        process.kill()
        process.wait()


def grown(data: Path) -> int:
    """Bytes of all blobs in the registry."""
    return sum(path.stat().st_size for path in data.rglob("data") if path.is_file())


def spread(values: Sequence[float], unit: str) -> str:
    """Median, and the least and the most."""
    return f"{statistics.median(values):.2f} {unit} ({min(values):.2f} to {max(values):.2f})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table in Markdown."""
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def run(*argv: str) -> str:
    """What a program prints; it must succeed."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(argv)}: {done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
