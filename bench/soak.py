"""Whether a day of requests leaves the inference server as it was: memory, descriptors, threads, wrong answers.

Eight clients, each with one request under way, REST with binary tensors, the MLP of bench/serving, one server process;
864,000 requests are a day of ten a second. The server is looked at twice a second.

    python bench/soak.py [--requests N] [--write]
"""

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from serving import cost, servers, subjects
from serving.load import Load
from serving.messages import BINARY
from serving.tables import markdown

MARK = "<!-- written by bench/soak.py --write -->"
END = "<!-- end of what bench/soak.py wrote -->"
DAY = 24 * 3600 * 10
LEAST = 100_000
PATIENCE_S = 3 * 3600.0
PARTS = 10
MB = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the server's processes hold at one moment."""

    rss_bytes: int
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """What came of it.

    Attributes:
        bad: answers with another status than 200, broken connections among them.
        at_rest: before the clients came.
        looks: while they were there, in order.
        after: when they had gone.
    """

    requests: int
    bad: int
    seconds: float
    cpu_us: float
    at_rest: Look
    looks: Sequence[Look]
    after: Look

    def rss_by_part(self) -> list[float]:
        """Mean resident memory in MB of every tenth of the time."""
        edges = [len(self.looks) * part // PARTS for part in range(PARTS + 1)]
        parts = [self.looks[begin:end] for begin, end in itertools.pairwise(edges)]
        return [sum(look.rss_bytes for look in part) / len(part) / MB for part in parts]

    def drift(self) -> float:
        """Mean memory of the last tenth over that of the second, less one; the first is for caches to fill."""
        means = self.rss_by_part()
        return means[-1] / means[1] - 1


def main() -> None:
    """Run it, print, and write where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=DAY, metavar="N", help=f"at least {LEAST:,}")
    parser.add_argument("--write", action="store_true", help="put the figures into bench/README.md")
    given = parser.parse_args()
    if given.requests < LEAST:
        parser.error(f"{given.requests:,} requests are over before there is anything to see; give at least {LEAST:,}")
    with tempfile.TemporaryDirectory() as folder:
        text = document(soak(Path(folder), given.requests))
    print(text)
    if given.write:
        page = Path(__file__).with_name("README.md")
        head, mark, rest = page.read_text().partition(MARK)
        _, end, tail = rest.partition(END)
        page.write_text(f"{head}{mark}\n\n{text}\n{end}{tail}")


def soak(folder: Path, requests: int, *, pause_s: float = 0.5) -> Soak:
    """Send `requests` to a server of its own, and look at it every `pause_s`."""
    subject = subjects.mlp(folder)
    with servers.running(servers.OURS[0], subject, python=Path(), folder=folder) as running:
        at_rest = look(running.pid)
        load = Load(running, BINARY, subject, folder, clients=8, seconds=PATIENCE_S, most=requests, warm_s=1.0)
        load.begin()
        looks = []
        while load.under_way:
            looks.append(look(running.pid))
            time.sleep(pause_s)
        done = load.end()
        return Soak(
            requests=done.answers,
            bad=done.answers - done.count(200),
            seconds=done.seconds,
            cpu_us=done.cpu_us,
            at_rest=at_rest,
            looks=looks,
            after=look(running.pid),
        )


def look(pid: int) -> Look:
    """At the tree of processes of `pid`."""
    return Look(rss_bytes=cost.rss_bytes(pid), descriptors=cost.descriptors(pid), threads=cost.threads(pid))


def document(one: Soak) -> str:
    """As bench/README.md has it."""
    means = one.rss_by_part()
    most = max(one.looks, key=lambda look: look.rss_bytes)
    memory = [one.at_rest.rss_bytes / MB, means[1], means[-1], one.after.rss_bytes / MB]
    second, last = one.looks[len(one.looks) * 3 // (2 * PARTS)], one.looks[-1]
    rows = [
        ["", "before the clients came", "second tenth of the time", "last tenth", "when they had gone"],
        ["RSS, MB", *(f"{value:.1f}" for value in memory)],
        ["descriptors", *(str(at.descriptors) for at in (one.at_rest, second, last, one.after))],
        ["threads", *(str(at.threads) for at in (one.at_rest, second, last, one.after))],
    ]
    return (
        f"{one.requests:,} requests in {one.seconds:,.0f} s, {one.bad} of them not answered with 200;"
        f" {one.cpu_us:.0f} us of CPU a request, of the server's process. RSS drifts by {one.drift():+.2%}"
        f" (asked for: within 2 %), and is {most.rss_bytes / MB:.1f} MB at most. {os.cpu_count()} processors, which"
        f" others use too: load average {os.getloadavg()[2]:.1f} at the end.\n\n"
        f"{markdown(rows)}\nRSS by tenths of the time, MB: {', '.join(f'{mean:.1f}' for mean in means)}.\n"
    )


if __name__ == "__main__":
    main()
