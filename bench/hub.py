"""How many reports a second the hub takes, how long a batch waits at the rate asked for, and how long its overview is.

Over SQLite and over PostgreSQL: a hub of its own process on loopback, 100,000 devices, and reports that were signed
beforehand in batches of 100 devices. Three loads, each from four connections:

- paced: 2,000 reports a second, each batch at its moment whether or not those before were answered; a batch's time is
  counted from its moment on, so that a hub which falls behind does not look fast;
- the most: one batch after the other;
- the peer: the same hub asked with one report a request, as a hub without batches would be: one signature, one
  transaction, one answer each.

    python bench/hub.py                 both databases
    python bench/hub.py --write         and write the table into bench/README.md
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import insert

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from edgewise.core.database import migrate
from edgewise.core.database.engine import Database
from edgewise.core.database.schema import devices
from edgewise.core.hub import users
from edgewise.core.hub.users import Role
from edgewise.exchange import message, signing
from edgewise.exchange.message import Report, Status
from fakes.postgres import Postgres, available

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- written by bench/hub.py --write -->", "<!-- end of what bench/hub.py wrote -->"
BATCH, CONNECTIONS, PORT = 100, 4, 18480
ASKED_PER_S = 2000
MOST_PER_S = 6000
"""No load is prepared beyond this."""
FLEET = 100_000
RELEASE = "sha256:" + "a" * 64
Lanes = list[list[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loads:
    """Bodies by connection, for every load."""

    paced: Lanes
    most: Lanes
    single: Lanes

    @classmethod
    def signed(cls, keys: list[Ed25519PrivateKey], seconds: float) -> "Loads":
        """All that is sent, signed beforehand: each load's sequences begin above the one before."""
        rounds = [int(seconds * ASKED_PER_S), int(seconds * MOST_PER_S / 2), int(seconds * 500)]
        first, made = 0, []
        for reports, size in zip(rounds, (BATCH, BATCH, 1), strict=True):
            turns = max(1, reports // len(keys))
            lanes = [keys[lane * BATCH : (lane + 1) * BATCH] for lane in range(CONNECTIONS)]
            made.append([list(batches(lane, size, first, turns)) for lane in lanes])
            first += turns
        return cls(paced=made[0], most=made[1], single=made[2])


def main() -> int:
    """Measure, print, and write where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="of the paced load; the others take half of it")
    parser.add_argument("--fleet", type=int, default=FLEET)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    keys = [signing.make_key() for _ in range(BATCH * CONNECTIONS)]
    loads = Loads.signed(keys, given.seconds)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        rows.append(measured("SQLite", f"sqlite:///{folder}/hub.db", keys, loads, given))
    if available():
        server = Postgres(durable=True)
        try:
            rows.append(measured("PostgreSQL 15", server.new(), keys, loads, given))
        finally:
            server.close()
    text = table(rows, given.seconds, given.fleet)
    print(text)
    if given.write:
        page = README.read_text()
        start, _, rest = page.partition(BEGIN)
        README.write_text(f"{start}{BEGIN}\n\n{text}\n{END}{rest.partition(END)[2]}")
    return 0


def measured(
    name: str, address: str, keys: list[Ed25519PrivateKey], loads: Loads, given: argparse.Namespace
) -> dict[str, float | str]:
    """Figures of one database with `given.fleet` devices in it."""
    database = migrate.opened(address)
    fill(database, keys, given.fleet)
    with database.writing() as connection:
        token = users.make_token(connection, name="bench", role=Role.VIEWER, who="bench", now_s=int(time.time()))
    database.close()
    with hub(address) as process:
        before_s = processor_s(process)
        paced = load(loads.paced, given.seconds, size=BATCH, per_s=ASKED_PER_S)
        spent_s = processor_s(process) - before_s
        most = load(loads.most, given.seconds / 2, size=BATCH)
        single = load(loads.single, given.seconds / 2, size=1)
        pages = overview(token)
    return {
        "name": name,
        "rate": paced["rate"],
        "p50": paced["p50"],
        "p99": paced["p99"],
        "processor": spent_s / paced["wall"],
        "most": most["rate"],
        "most_p99": most["p99"],
        "one": single["rate"],
        "one_p99": single["p99"],
        "pages": pages,
    }


def processor_s(process: subprocess.Popen[bytes]) -> float:
    """Processor time of `process` so far."""
    words = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def fill(database: Database, keys: list[Ed25519PrivateKey], fleet: int) -> None:
    """Devices: those whose keys we have, and others, on 50 sites, most of them Online."""
    words = (
        [Status.ONLINE] * 90 + [Status.UPDATING] * 4 + [Status.DEGRADED] * 3 + [Status.FAILED, Status.ROLLED_BACK] * 2
    )
    now_s = int(time.time())
    publics = [signing.public_bytes(key) for key in keys]
    publics += [uuid.uuid4().bytes * 2 for _ in range(fleet - len(keys))]
    rows = [
        {
            "id": signing.device_id(public),
            "public_key": public,
            "site": f"site-{number % 50}",
            "labels": {"ring": "rest"},
            "enrolled_s": now_s,
            "heard_s": now_s - (5000 if number % 100 == 99 else number % 600),
            "status": words[number % 97].value,
            "booted": RELEASE,
            "sequence": 0 if number >= len(keys) else -1,
        }
        for number, public in enumerate(publics)
    ]
    for start in range(0, len(rows), 5000):
        with database.writing() as connection:
            connection.execute(insert(devices), rows[start : start + 5000])


@contextmanager
def hub(address: str) -> Iterator[subprocess.Popen[bytes]]:
    """The hub as a process of its own, until the block is left."""
    command = [sys.executable, "-m", "edgewise", "hub", "--listen", f"127.0.0.1:{PORT}", "--database", address]
    process = subprocess.Popen([*command, "--rate", "1000000"], stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                if httpx.get(f"http://127.0.0.1:{PORT}/readyz").status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(60)


def load(lanes: Lanes, seconds: float, *, size: int, per_s: float = 0) -> dict[str, float]:
    """Reports a second, and how long a batch of `size` takes; one after the other where `per_s` is 0."""
    times: list[float] = []
    gap_s = size * len(lanes) / per_s if per_s else 0.0
    began = time.perf_counter()

    def send(number: int) -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{PORT}", timeout=60) as client:
            for turn, body in enumerate(lanes[number]):
                started = time.perf_counter()
                if per_s:
                    planned = began + (turn + number / len(lanes)) * gap_s
                    time.sleep(max(0.0, planned - started))
                    started = planned
                elif started > began + seconds:
                    break
                answer = client.post("/api/v1/messages", content=body)
                times.append(time.perf_counter() - started)
                assert answer.content.count(b'"accepted"') == size, answer.text[:300]

    with ThreadPoolExecutor(len(lanes)) as pool:
        list(pool.map(send, range(len(lanes))))
    wall = time.perf_counter() - began
    times.sort()
    return {
        "rate": len(times) * size / wall,
        "p50": 1e3 * statistics.median(times),
        "p99": 1e3 * times[min(len(times) - 1, int(0.99 * len(times)))],
        "wall": wall,
    }


def batches(keys: list[Ed25519PrivateKey], size: int, first: int, turns: int) -> Iterator[bytes]:
    """Bodies with `turns` reports of every key, from the sequence `first` on."""
    for number in range(first, first + turns):
        signed = [report(key, number) for key in keys]
        for start in range(0, len(signed), size):
            yield signing.batch(signed[start : start + size])


def report(key: Ed25519PrivateKey, sequence: int) -> signing.Signed:
    """A signed report of the usual size."""
    said = Report(
        id=uuid.uuid4().hex,
        device=signing.device_id(signing.public_bytes(key)),
        site="site-0",
        sequence=sequence,
        time_s=int(time.time()),
        status=Status.ONLINE,
        booted=RELEASE,
        labels={"ring": "rest"},
        agent_version="0.1.0",
        log=("golden: 8 of 8 rows", "kept"),
    )
    return signing.sign(message.written(said), key)


def overview(token: str) -> float:
    """Milliseconds of the overview page, median of 15, as a signed-in browser asks for it."""
    with httpx.Client(base_url=f"http://127.0.0.1:{PORT}", timeout=60) as client:
        client.post("/signin", data={"token": token})
        times = []
        for _ in range(15):
            started = time.perf_counter()
            assert "devices need a look" in client.get("/").text
            times.append(time.perf_counter() - started)
    return 1e3 * statistics.median(times)


def table(rows: list[dict[str, float | str]], seconds: float, fleet: int) -> str:
    """The table as Markdown."""
    lines = [
        f"| database | asked for {ASKED_PER_S:,} reports/s: taken | p50 of a batch of {BATCH} | p99 | hub's processor "
        f"| at most, reports/s | p99 | one a request: reports/s | p99 | ratio | overview page, {fleet:,} devices |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        ratio = float(row["most"]) / float(row["one"])
        lines.append(
            f"| {row['name']} | {row['rate']:,.0f} | {row['p50']:.0f} ms | {row['p99']:.0f} ms "
            f"| {row['processor']:.2f} cores | {row['most']:,.0f} | {row['most_p99']:.0f} ms | {row['one']:,.0f} "
            f"| {row['one_p99']:.0f} ms | {ratio:.1f} | {row['pages']:.0f} ms |"
        )
    load_now = Path("/proc/loadavg").read_text().split()[0]
    lines.append(
        f"\n{seconds:.0f} s paced, {seconds / 2:.0f} s each of the others, four connections; sender, hub and database "
        f"on the same two cores; load average at the end {load_now}.\n"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
