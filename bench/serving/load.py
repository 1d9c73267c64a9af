"""One burst of load on a running server: what it did, and what it cost."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from serving import cost
from serving.client import Job
from serving.messages import Way, message
from serving.servers import Running
from serving.subjects import Subject

CLIENT = Path(__file__).with_name("client.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """What came of it.

    Attributes:
        per_s: right answers (status 200) a second.
        cpu_us: CPU time of the server's processes for each answer, whatever its status.
        client_us: CPU time of the client for each answer.
        statuses: count and percentiles of seconds by status.
    """

    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    client_us: float
    seconds: float
    unsent: int
    statuses: dict[str, dict[str, float]]

    @property
    def answers(self) -> int:
        """Of every status."""
        return int(sum(one["count"] for one in self.statuses.values()))

    def count(self, status: int) -> int:
        """Answers with that status."""
        return int(self.statuses.get(str(status), {"count": 0})["count"])


class Load:
    """A client's process that is warm; `run` lets it go, once."""

    def __init__(self, running: Running, way: Way, subject: Subject, folder: Path, **more: Any) -> None:
        timeout_ms = more.pop("timeout_ms", 0)
        name = f"{running.contender.name}-{subject.name}-{way.kind}"
        request, job = folder / f"{name}.request", folder / f"{name}.job"
        request.write_bytes(message(way, subject, timeout_ms=timeout_ms))
        asked = Job(protocol=way.protocol, port=running.ports[way.protocol], message=str(request), **more)
        job.write_text(json.dumps(asdict(asked)))
        self._pid = running.pid
        self._process = subprocess.Popen(
            [sys.executable, str(CLIENT), str(job)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if line != "warm":
            raise RuntimeError(f"the client of {name} says {line!r}")

    def begin(self) -> None:
        """Let it go."""
        assert self._process.stdin is not None
        self._cpu_s = cost.cpu_s(self._pid)
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    @property
    def under_way(self) -> bool:
        """True until it has ended."""
        return self._process.poll() is None

    def end(self) -> Burst:
        """What came of it, when it has ended."""
        said, _ = self._process.communicate()
        cpu_s = cost.cpu_s(self._pid) - self._cpu_s
        if self._process.returncode:
            raise RuntimeError(f"the client ended with {self._process.returncode}")
        found = json.loads(said)
        statuses = found["statuses"]
        good = statuses.get("200", {"count": 0, "p50": float("nan"), "p99": float("nan")})
        answers = max(1, sum(one["count"] for one in statuses.values()))
        return Burst(
            per_s=good["count"] / found["seconds"],
            p50_ms=good["p50"] * 1e3,
            p99_ms=good["p99"] * 1e3,
            cpu_us=cpu_s / answers * 1e6,
            client_us=found["cpu_s"] / answers * 1e6,
            seconds=found["seconds"],
            unsent=found["unsent"],
            statuses=statuses,
        )


def burst(running: Running, way: Way, subject: Subject, folder: Path, **more: Any) -> Burst:
    """A whole burst."""
    load = Load(running, way, subject, folder, **more)
    load.begin()
    return load.end()


@dataclass(frozen=True, slots=True, kw_only=True)
class Overload:
    """Twice what saturates it.

    Attributes:
        in_time: answers with 200 within the deadline, a second.
        late: of those admitted, the part that came after the deadline.
    """

    peak_per_s: float
    offered_per_s: float
    in_time: float
    late: float
    refused: int
    refused_p50_ms: float
    refused_p99_ms: float
    good_p99_ms: float
    deadline_ms: int


def overload(
    running: Running, way: Way, subject: Subject, folder: Path, *, seconds: float, deadline_ms: int
) -> Overload:
    """Find the peak with as many clients as keep it busy, then send twice as much, with a deadline on each request."""
    peak = burst(running, way, subject, folder, clients=32, seconds=seconds)
    over = burst(
        running,
        way,
        subject,
        folder,
        clients=8,
        seconds=seconds,
        rate_per_s=2 * peak.per_s,
        timeout_ms=deadline_ms,
        deadline_s=deadline_ms / 1e3,
    )
    good = over.statuses.get("200", {"count": 0, "p99": float("nan")})
    refused = over.statuses.get("429", {"count": 0, "p50": float("nan"), "p99": float("nan")})
    missed = over.count(504)
    slow = int(good.get("late", 0))
    return Overload(
        peak_per_s=peak.per_s,
        offered_per_s=over.answers / over.seconds,
        in_time=(good["count"] - slow) / over.seconds,
        late=(slow + missed) / max(1, good["count"] + missed),
        refused=int(refused["count"]),
        refused_p50_ms=refused["p50"] * 1e3,
        refused_p99_ms=refused["p99"] * 1e3,
        good_p99_ms=good["p99"] * 1e3,
        deadline_ms=deadline_ms,
    )
