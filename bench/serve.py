"""How the inference server compares with those that people use: throughput, latency, CPU, memory, start, overload.

The same two models (made here, seeded), the same clients, one thread for the model, every server started anew in every
round, rounds interleaved. Peers are installed from PyPI in environments of their own below --cache.

    python bench/serve.py [--peers all|none|NAMES] [--rounds N] [--seconds S] [--write]
"""

import argparse
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime as ort

from serving import cost, load, servers, subjects, tables
from serving.messages import BINARY, Way
from serving.servers import Contender, NotStarted, Running
from serving.subjects import Subject
from serving.tables import Found

MARK = "<!-- written by bench/serve.py --write -->"
END = "<!-- end of what bench/serve.py wrote -->"
SETTLE_S = 1.0
CLIENTS = (1, 8)
DEADLINE_MS = {"mlp": 25, "cnn": 50}


def main() -> None:
    """Measure, print, and write where asked to."""
    given = arguments()
    began = os.getloadavg()[0]
    found = Found()
    with folder_at(given.keep) as folder:
        models = [subjects.mlp(folder), subjects.cnn(folder)]
        found.alone_us = {one.name: one.alone_us for one in models} | {"mlp of 8": batch_us(models[0], 8)}
        contenders = {one: Path() for one in servers.OURS} | installed(chosen(given.peers), given.cache, found)
        for number in range(given.rounds):
            for subject in models:
                for contender, python in turned(list(contenders.items()), number):
                    measure(contender, subject, python, folder, given.seconds, found)
            say(f"round {number + 1} of {given.rounds} is done")
        stress(models, folder, given, found)
    found.notes = notes(given, found, began)
    text = tables.document(found)
    print(text)
    if given.write:
        page = Path(__file__).with_name("README.md")
        head, mark, rest = page.read_text().partition(MARK)
        _, end, tail = rest.partition(END)
        page.write_text(f"{head}{mark}\n\n{text}\n{end}{tail}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default="all", help="all, none, or names: kserve,mlserver,pytriton,litserve,bentoml")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each burst")
    parser.add_argument("--cache", type=Path, default=Path("~/.cache/edgewise/peers").expanduser())
    parser.add_argument("--keep", type=Path, help="work here and keep models and logs")
    parser.add_argument("--write", action="store_true", help="put the figures into bench/README.md")
    return parser.parse_args()


@contextlib.contextmanager
def folder_at(keep: Path | None) -> Iterator[Path]:
    """Where models and logs are."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


def chosen(names: str) -> list[Contender]:
    """The peers that `names` asks for."""
    if names in ("all", "none"):
        return list(servers.PEER_TABLE) if names == "all" else []
    by_name = {one.name: one for one in servers.PEER_TABLE}
    return [by_name[name] for name in names.split(",")]


def installed(peers: Sequence[Contender], cache: Path, found: Found) -> dict[Contender, Path]:
    """Those of `peers` that can be installed, with the Python of each."""
    there = {}
    for peer in peers:
        try:
            there[peer] = servers.install(peer, cache)
        except NotStarted as why:
            found.failed[peer.name] = str(why)
    return there


def turned(items: list[tuple[Contender, Path]], number: int) -> list[tuple[Contender, Path]]:
    """Another one goes first in each round."""
    first = number % len(items)
    return items[first:] + items[:first]


def measure(contender: Contender, subject: Subject, python: Path, folder: Path, seconds: float, found: Found) -> None:
    """Start it, look at it at rest, put load on it in every way, and stop it."""
    if contender.name in found.failed:
        return
    say(f"{contender.title}, {subject.name}")
    try:
        with servers.running(contender, subject, python=python, folder=folder) as running:
            time.sleep(SETTLE_S)
            found.cold_s.setdefault((subject.name, contender.name), []).append(running.cold_s)
            found.rss_bytes.setdefault((subject.name, contender.name), []).append(cost.rss_bytes(running.pid))
            for way in contender.ways:
                bursts(running, way, subject, folder, seconds, found)
    except (NotStarted, RuntimeError) as why:
        found.failed[contender.name] = str(why)


def bursts(running: Running, way: Way, subject: Subject, folder: Path, seconds: float, found: Found) -> None:
    for clients in CLIENTS:
        one = load.burst(running, way, subject, folder, clients=clients, seconds=seconds)
        if one.count(200) != one.answers:
            raise NotStarted(f"{way.kind}: {one.answers - one.count(200)} of {one.answers} answers are not 200")
        found.bursts.setdefault((subject.name, running.contender.name, way.kind, clients), []).append(one)


def stress(models: Sequence[Subject], folder: Path, given: argparse.Namespace, found: Found) -> None:
    """Overload of our own server."""
    ours = servers.OURS[0]
    for subject in models:
        for _ in range(given.rounds):
            say(f"overload, {subject.name}")
            with servers.running(ours, subject, python=Path(), folder=folder) as running:
                found.overloads.setdefault(subject.name, []).append(
                    load.overload(
                        running,
                        BINARY,
                        subject,
                        folder,
                        seconds=2 * given.seconds,
                        deadline_ms=DEADLINE_MS[subject.name],
                    )
                )


def notes(given: argparse.Namespace, found: Found, began: float) -> list[str]:
    """What the tables cannot say."""
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    load_now = os.getloadavg()[0]
    alone = found.alone_us
    clients = [one.client_us for each in found.bursts.values() for one in each]
    return [
        f"{os.cpu_count()} processors, {model.partition(':')[2].strip()}; load average {began:.1f} before the run and"
        f" {load_now:.1f} at its end, client and server included. {given.rounds} rounds, {given.seconds:g} s a burst."
        f" The models alone take {alone['mlp']:.0f} us of CPU (MLP; {alone['mlp of 8']:.0f} us for 8 rows) and"
        f" {alone['cnn']:.0f} us (CNN). The client costs {statistics.median(clients):.0f} us a request."
    ]


def batch_us(subject: Subject, rows: int) -> float:
    """CPU time of one run of the model with `rows` rows."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(subject.path), options, providers=["CPUExecutionProvider"])
    x = np.repeat(subject.x, rows, axis=0)
    took = []
    for _ in range(300):
        started = time.thread_time()
        session.run(None, {"x": x})
        took.append(time.thread_time() - started)
    return statistics.median(took[50:]) * 1e6


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


if __name__ == "__main__":
    main()
