"""A new model: rebuilt and pushed, beside buildah; and how large an inference image is, beside pip install.

    python bench/build.py --folder ~/.cache/edgewise-bench [--rounds 5] [--megabytes 16] [--write]

Needs buildah, mmdebstrap and docker-registry, root, and the network the first time: packages are kept in the folder.
The equivalent Containerfile begins with Debian, python3 and pip, installs the server's packages from wheels that lie
beside it, and copies Edgewise and the model. buildah builds it as it does by default, with --layers, and, so that
nothing is compared but the last step, as one COPY upon our own image; it stores by overlay, with --isolation chroot.
Rounds are interleaved, each with weights of its own.

What `edgewise build` does beside, reading the plan and the golden's predictions from the store, takes 0.02 s and is in
no figure. The image by pip is the same Containerfile's contents, packed by our own packer, so that contents are
compared and not compressors.
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
DEFAULT, CACHED, OUR_LAYERS = "buildah bud", "buildah bud --layers", "buildah bud on our image"
WAYS = (DEFAULT, CACHED, OUR_LAYERS)
"""The equivalent Containerfile as it is built by default, and with intermediate layers kept; and a Containerfile of one
COPY upon our own image without a model, which no Containerfile could have made."""
CONTAINERFILE = f"""
FROM localhost/debian-python
COPY wheels /wheels
RUN python3 -m pip install --quiet --break-system-packages --no-index --find-links=/wheels {" ".join(PIP)}
COPY edgewise /usr/local/lib/python3.11/dist-packages/edgewise
COPY models /models
ENV PYTHONUNBUFFERED=1 ORT_DISABLE_TELEMETRY=1 EDGEWISE_MODEL=/models
USER 65532:65532
ENTRYPOINT ["/usr/bin/python3", "-m", "edgewise.edge.serve"]
"""
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
    """Rebuild and push with only the model changed, in turn with buildah in its three ways."""
    store = Store(folder / "store")
    python = python_root(folder)
    peers = [Buildah(folder, way, store, python) for way in WAYS]
    took: dict[str, list[float]] = {}
    with registry(folder) as (host, data):
        first = model(store, -1, megabytes)
        made = built(store, first)
        push(store, made, host)
        for peer in peers:
            peer.start(made[Strategy.EXTERNAL], host)
            peer.turn(first, host, data, {})
        for number in range(rounds):
            new = model(store, time.time_ns() + number, megabytes)  # never one that the store has packed already
            turns: list[Callable[[], None]] = [lambda new=new: ours(store, new, host, data, took)]  # type: ignore[misc]
            turns += [lambda new=new, peer=peer: peer.turn(new, host, data, took) for peer in peers]  # type: ignore[misc]
            for turn in turns if number % 2 else reversed(turns):
                turn()
    names = ["edgewise", *WAYS]
    rows = [
        ["rebuild", *(spread(took[f"{name} build"], "s") for name in names)],
        ["push", *(spread(took[f"{name} push"], "s") for name in names)],
        ["bytes that the registry gained", *(spread(took[f"{name} bytes"], "MB") for name in names)],
        ["rebuild and push, as many times as edgewise", "1", *(ratio(took, name) for name in WAYS)],
    ]
    beyond = [a - b for a, b in zip(took["edgewise build"], took["compress"], strict=True)]
    head = (
        f"A new model of {megabytes} MB of float32 weights in an inference image with ONNX Runtime, {rounds} rounds,"
        f" interleaved; median (least to most). zstd {compress.ZSTD_LEVEL};"
        f" {run('buildah', '--version').strip()}, overlay."
        f" Load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores."
    )
    sentence = (
        f"Without the compression of the model our rebuild takes {spread(beyond, 's')}; asked for is at most 1 s."
        " Asked for is at least 5 times as fast as `buildah bud` of the equivalent Containerfile."
    )
    return [head, "", *table(("figure", *names), rows), "", sentence]


def ratio(took: dict[str, list[float]], name: str) -> str:
    """How many times as long as ours the peer's build and push take, round by round."""
    keys = ("edgewise build", "edgewise push", f"{name} build", f"{name} push")
    found = [(c + d) / (a + b) for a, b, c, d in zip(*(took[key] for key in keys), strict=True)]
    return spread(found, "")


def note(took: dict[str, list[float]], key: str, value: float) -> None:
    """Add a figure."""
    took.setdefault(key, []).append(value)


def ours(store: Store, new: ModelFolder, host: str, data: Path, took: dict[str, list[float]]) -> None:
    before, started = grown(data), time.perf_counter()
    made = built(store, new)
    note(took, "edgewise build", time.perf_counter() - started)
    started = time.perf_counter()
    push(store, made, host)
    note(took, "edgewise push", time.perf_counter() - started)
    note(took, "edgewise bytes", (grown(data) - before) / MB)
    content = [store.blobs.get(one.digest) for one in new.files]
    started = time.perf_counter()
    for _ in compress.compressed(iter(content), Compression.ZSTD):
        pass
    note(took, "compress", time.perf_counter() - started)


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
    """The peer, one way of using it, with storage of its own below the folder."""

    def __init__(self, folder: Path, way: str, store: Store, python: Path) -> None:
        self._way, self._store, self._python = way, store, python
        self._wheels = folder / "wheels"
        self._folder = folder / f"buildah-{WAYS.index(way)}"
        self._context = self._folder / "context"
        root = ["--root", str(self._folder / "root"), "--runroot", str(self._folder / "run")]
        self._argv = ["buildah", *root, "--storage-driver", "overlay"]
        if self._folder.exists():
            subprocess.run([*self._argv, "rmi", "--all", "--force"], capture_output=True, check=False)
            shutil.rmtree(self._folder, ignore_errors=True)
        self._context.mkdir(parents=True)

    def start(self, plain: Made, host: str) -> None:
        """Have what the Containerfile begins with: Debian with Python and pip, or our image without a model."""
        if self._way == OUR_LAYERS:
            with Registry(host, "plain") as there:
                copy(Layout(self._store.folder), there, plain.roots["inference"].digest, to="1")
            run(*self._argv, "pull", "-q", "--tls-verify=false", f"{host}/plain:1")
            text = f"FROM {host}/plain:1\nCOPY models /models/\n"
        else:
            container = run(*self._argv, "from", "scratch").strip()
            run(*self._argv, "add", "-q", container, str(self._python), "/")
            run(*self._argv, "commit", "-q", "--rm", container, "debian-python")
            shutil.copytree(self._wheels, self._context / "wheels")
            source = Path(edgewise.__file__).parent
            shutil.copytree(source, self._context / "edgewise", ignore=shutil.ignore_patterns("__pycache__"))
            text = CONTAINERFILE
        (self._folder / "Containerfile").write_text(text)

    def turn(self, new: ModelFolder, host: str, data: Path, took: dict[str, list[float]]) -> None:
        """One round: build and push, timed."""
        models = self._context / "models"  # as a person has them beside the Containerfile
        shutil.rmtree(models, ignore_errors=True)
        models.mkdir()
        for one in new.files:
            (models / one.name).write_bytes(self._store.blobs.get(one.digest))
        cached = ["--layers"] if self._way == CACHED else []
        argv = ["bud", "-q", *cached, "--pull-never", "--isolation", "chroot", "-t", "bench"]
        before, started = grown(data), time.perf_counter()
        run(*self._argv, *argv, "-f", str(self._folder / "Containerfile"), str(self._context))
        note(took, f"{self._way} build", time.perf_counter() - started)
        started = time.perf_counter()
        name = f"docker://{host}/buildah-{WAYS.index(self._way)}:1"
        run(*self._argv, "push", "-q", "--tls-verify=false", "bench", name)
        note(took, f"{self._way} push", time.perf_counter() - started)
        note(took, f"{self._way} bytes", (grown(data) - before) / MB)


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
        run("cp", "-a", str(python_root(folder)), str(root))
        target = root / "usr/local/lib/python3.11/dist-packages"
        argv = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--find-links", str(folder / "wheels")]
        run(*argv, "--target", str(target), "--python-version=3.11", "--only-binary=:all:", *_tags(), *PIP)
        source = Path(edgewise.__file__).parent
        shutil.copytree(source, target / "edgewise", ignore=shutil.ignore_patterns("__pycache__"))
        (root / "done").touch()
    digest = hashlib.sha256("\n".join(sorted(map(str, _files(root)))).encode()).hexdigest()
    kept = folder / f"pip-size-{digest[:16]}.json"
    if not kept.exists():
        entries = [file(str(path.relative_to(root)), OnDisk.at(path)) for path in _files(root)]
        packed = pack(layer(entries), store, title="pip")
        kept.write_text(json.dumps([packed.size_bytes, packed.tar_bytes]))
    found = json.loads(kept.read_text())
    return int(found[0]), int(found[1])


def python_root(folder: Path) -> Path:
    """Debian with python3 and pip, without apt's caches, as every guide has it; and `wheels/` beside it."""
    root = folder / "python-root"
    if not (folder / "wheels").exists():
        shutil.rmtree(root, ignore_errors=True)
        run("mmdebstrap", "--quiet", "--variant=minbase", "--include=python3,python3-pip", "bookworm", str(root))
        for cache in ("var/cache/apt", "var/lib/apt/lists"):
            shutil.rmtree(root / cache, ignore_errors=True)
        argv = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(folder / "wheels.new")]
        run(*argv, "--python-version=3.11", "--only-binary=:all:", *_tags(), *PIP)
        (folder / "wheels.new").rename(folder / "wheels")
    return root


def _files(root: Path) -> Iterator[Path]:
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.name != "done":
            yield path


def _tags() -> Sequence[str]:
    tags = [f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 17)] + ["manylinux2014_x86_64"]
    return [f"--platform={tag}" for tag in tags]


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
    middle = f"{statistics.median(values):.2f} {unit}".rstrip()
    return f"{middle} ({min(values):.2f} to {max(values):.2f})"


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
