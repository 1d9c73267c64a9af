"""Load on one server, from a process of its own that costs as little as it can: python client.py JOB.

JOB is a file of JSON: a `Job`'s fields. Closed loop: each of `clients` connections sends its next request when it has
its answer. Open loop: requests go out at `rate_per_s`, seeded Poisson arrivals, whether answers come or not. After the
warm-up it prints "warm" and waits for a line; then it runs and prints a JSON document. Only what a client needs is
imported: uvloop, and httptools for REST. grpcio's own client takes more CPU for a call than a server should.
"""

import asyncio
import json
import random
import struct
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httptools
import uvloop

PATIENCE_S = 20.0
POOL = 256
"""Connections of an open loop: as many requests are under way at most, and what is due beyond them is not sent."""
LONGEST_PAUSE_S = 2e-3
METHOD = "/inference.GRPCInferenceService/ModelInfer"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LARGEST_WINDOW = (1 << 31) - 1
LARGEST_FRAME = 16384
SETTING = struct.Struct(">HL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to send, how, and for how long.

    Attributes:
        message: file with the bytes to send: a whole HTTP request, or a protobuf message.
        deadline_s: answers that take longer are counted as late.
        most: stop after so many requests, even before `seconds`; 0 for no such bound.
    """

    protocol: str
    host: str = "127.0.0.1"
    port: int = 0
    message: str = ""
    clients: int = 1
    seconds: float = 1.0
    most: int = 0
    warm_s: float = 0.2
    rate_per_s: float = 0.0
    deadline_s: float = 0.0
    seed: int = 0


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came back: seconds of every answer, by its status; 200 is good, 0 is a connection that broke."""

    seconds: float = 0.0
    cpu_s: float = 0.0
    unsent: int = 0
    latencies_s: dict[int, list[float]] = field(default_factory=dict)

    def document(self, deadline_s: float) -> dict[str, Any]:
        """Counts and percentiles in place of values."""
        statuses = {}
        for status, values in self.latencies_s.items():
            values.sort()
            marks = {f"p{q}": values[min(len(values) - 1, len(values) * q // 100)] for q in (50, 90, 99)}
            late = sum(value > deadline_s for value in values) if deadline_s else 0
            statuses[status] = {"count": len(values), "late": late, **marks}
        return {"seconds": self.seconds, "cpu_s": self.cpu_s, "unsent": self.unsent, "statuses": statuses}


class Rest(asyncio.Protocol):
    """A connection that keeps one request under way."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._status = 0
        self.sent_s = 0.0
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio calls it."""
        self.transport = transport
        self._parser = httptools.HttpResponseParser(self)

    def send(self) -> None:
        """The next request."""
        self.busy = True
        self.sent_s = time.perf_counter()
        self.transport.write(self._load.message)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """As asyncio calls it."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """As the parser calls it."""
        now_s = time.perf_counter()
        self.busy = False
        self._load.answered(self, self._parser.get_status_code(), now_s - self.sent_s)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """As asyncio calls it."""
        if self.busy:
            self._load.answered(self, 0, time.perf_counter() - self.sent_s)
        self._load.lost(self)


class Channel(asyncio.Protocol):
    """A connection of HTTP/2 that all clients share, as thin as can be.

    A call is a head that was written before, and the message. An answer that has a message before its end counts as
    good: calls that fail have none.
    """

    def __init__(self) -> None:
        self._calls: dict[int, Call] = {}
        self._rest = b""
        self._next = 1
        self._window = 65535
        self._waiting: list[Call] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio calls it."""
        self._write = transport.write  # type: ignore[attr-defined]
        window = SETTING.pack(4, LARGEST_WINDOW)
        self._write(PREFACE + frame(4, 0, 0, window) + frame(8, 0, 0, (LARGEST_WINDOW - 65535).to_bytes(4, "big")))

    def ask(self, call: "Call", message: bytes) -> None:
        """Begin `call`, as soon as the server's window lets."""
        said = b"\x00" + len(message).to_bytes(4, "big") + message
        if len(said) > self._window:
            self._waiting.append(call)
            return
        self._window -= len(said)
        number, self._next = self._next, self._next + 2
        self._calls[number] = call
        data = b"".join(
            frame(0, int(at + LARGEST_FRAME >= len(said)), number, said[at : at + LARGEST_FRAME])
            for at in range(0, len(said), LARGEST_FRAME)
        )
        self._write(frame(1, 4, number, FIRST_HEAD if number == 1 else GRPC_HEAD) + data)

    def data_received(self, data: bytes) -> None:
        """As asyncio calls it."""
        content, at = self._rest + data, 0
        while len(content) - at >= 9:
            size = int.from_bytes(content[at : at + 3], "big")
            if len(content) - at - 9 < size:
                break
            kind, flags, number = content[at + 3], content[at + 4], int.from_bytes(content[at + 5 : at + 9], "big")
            begin, at = at + 9, at + 9 + size
            if kind == 0 and size >= 5:
                self._calls[number].good = True
            elif kind == 1 and flags & 1:
                self._calls.pop(number).end()
            elif kind in (4, 6) and not flags:  # settings and pings want their echo
                self._write(frame(kind, 1, 0, content[begin:at] if kind == 6 else b""))
            elif kind == 8 and not number:
                self._window += int.from_bytes(content[begin:at], "big")
                waiting, self._waiting = self._waiting, []
                for call in waiting:
                    call.go()
        self._rest = content[at:]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """As asyncio calls it."""
        for call in self._calls.values():
            call.good = False
            call.end()


class Call:
    """A client that has one call under way."""

    def __init__(self, load: "Load", channel: Channel) -> None:
        self._load, self._channel = load, channel
        self.sent_s = 0.0
        self.good = False

    def send(self) -> None:
        """The next request."""
        self.sent_s = time.perf_counter()
        self.good = False
        self.go()

    def go(self) -> None:
        """Send it now."""
        self._channel.ask(self, self._load.message)

    def end(self) -> None:
        """The answer is there."""
        self._load.answered(self, 200 if self.good else 0, time.perf_counter() - self.sent_s)


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame of HTTP/2."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


HEADERS = (
    (b":path", METHOD.encode()), (b":authority", b"127.0.0.1"), (b"te", b"trailers"),
    (b"content-type", b"application/grpc"), (b"user-agent", b"bench"),
)  # fmt: skip
FIRST_HEAD = b"\x83\x86" + b"".join(
    b"\x40" + bytes((len(name),)) + name + bytes((len(value),)) + value for name, value in HEADERS
)
"""POST and http are 3 and 6 in the static table of HPACK; the others enter the dynamic one, which begins at 62."""
GRPC_HEAD = b"\x83\x86" + bytes(0x80 | 62 + place for place in reversed(range(len(HEADERS))))
"""Said again, as gRPC's own clients do."""


class Load:
    """All connections, and what they have got."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.message = Path(job.message).read_bytes()
        self.outcome = Outcome()
        self._found = self.outcome.latencies_s
        self._idle: list[Rest | Call] = []
        self._until_s = 0.0
        self._left = 0
        self._busy = 0
        self._done = asyncio.Event()
        self._open = False

    async def connect(self, count: int) -> list[Rest | Call]:
        """So many connections."""
        loop = asyncio.get_running_loop()
        if self.job.protocol == "grpc":
            _, channel = await loop.create_connection(Channel, self.job.host, self.job.port)
            return [Call(self, channel) for _ in range(count)]
        made = [await loop.create_connection(lambda: Rest(self), self.job.host, self.job.port) for _ in range(count)]
        return [protocol for _, protocol in made]

    def answered(self, connection: Rest | Call, status: int, took_s: float) -> None:
        """Count it, and send the next where the loop is closed."""
        values = self._found.get(status)
        if values is None:
            values = self._found[status] = []
        values.append(took_s)
        if self._open:
            self._busy -= 1
            if status:
                self._idle.append(connection)
            return
        self._left -= 1
        if self._left > 0 and status and time.perf_counter() < self._until_s:
            connection.send()
        else:
            self._busy -= 1
            if not self._busy:
                self._done.set()

    def lost(self, connection: Rest | Call) -> None:
        """Use it no more."""
        if connection in self._idle:
            self._idle.remove(connection)

    async def closed(self, connections: list[Rest | Call], seconds: float, most: int) -> None:
        """Every connection sends again as soon as it has its answer."""
        self._done.clear()
        self._left = most or 1 << 60
        started = time.perf_counter()
        self._until_s = started + seconds
        self._busy = len(connections)
        for one in connections:
            one.send()
        async with asyncio.timeout(seconds + PATIENCE_S):
            await self._done.wait()
        self.outcome.seconds = time.perf_counter() - started

    async def open(self, connections: list[Rest | Call], seconds: float) -> None:
        """Send at the rate of the job; where all connections are busy, the request is not sent, and that is counted."""
        self._idle, self._open = list(connections), True
        chance = random.Random(self.job.seed)
        started = time.perf_counter()
        due_s = started
        while (now_s := time.perf_counter()) < started + seconds:
            while due_s <= now_s:
                due_s += chance.expovariate(self.job.rate_per_s)
                if self._idle:
                    self._busy += 1
                    self._idle.pop().send()
                else:
                    self.outcome.unsent += 1
            await asyncio.sleep(max(0.0, min(due_s - time.perf_counter(), LONGEST_PAUSE_S)))
        self.outcome.seconds = time.perf_counter() - started
        ends = time.perf_counter() + PATIENCE_S
        while self._busy and time.perf_counter() < ends:
            await asyncio.sleep(0.01)

    async def run(self) -> Outcome:
        """Warm up, wait for the word, and run."""
        connections = await self.connect(POOL if self.job.rate_per_s else self.job.clients)
        await self.closed(connections[: self.job.clients], self.job.warm_s, 0)
        self._found.clear()
        await ready()
        cpu_s = time.process_time()
        if self.job.rate_per_s:
            await self.open(connections, self.job.seconds)
        else:
            await self.closed(connections, self.job.seconds, self.job.most)
        self.outcome.cpu_s = time.process_time() - cpu_s
        return self.outcome


async def ready() -> None:
    """Say that it is warm, and wait for the word to begin."""
    print("warm", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


def main() -> None:
    job = Job(**json.loads(Path(sys.argv[1]).read_text()))
    outcome = uvloop.run(Load(job).run())
    print(json.dumps(outcome.document(job.deadline_s)), flush=True)


if __name__ == "__main__":
    main()
