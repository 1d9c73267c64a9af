"""How many reports a second the hub takes, and how long its overview is, over SQLite and over PostgreSQL.

A hub of its own process on loopback; devices that signed their reports beforehand, in batches of 100 devices, one batch
after the other from four connections. The peer is the same hub asked with one report a request: one signature, one
transaction, one answer each, as a hub without batches would do. The load is bounded: --seconds for each.

    python bench/hub.py                 both databases
    python bench/hub.py --write         and write the table into bench/README.md
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from sqlalchemy import insert

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from edgewise.core.database import migrate
from edgewise.core.database.schema import devices
from edgewise.core.hub import users
from edgewise.core.hub.users import Role
from edgewise.exchange import message, signing
from edgewise.exchange.message import Report, Status
from fakes.postgres import Postgres, available

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- written by bench/hub.py --write -->", "<!-- end of what bench/hub.py wrote -->"
BATCH, CONNECTIONS, PORT = 100, 4, 18480
FLEET = 100_000
RELEASE = "sha256:" + "a" * 64


def main() -> int:
    """Measure, print, and write where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--fleet", type=int, default=FLEET)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        rows.append(measured("SQLite", f"sqlite:///{folder}/hub.db", given.seconds, given.fleet))
    if available():
        server = Postgres(durable=True)
        try:
            rows.append(measured("PostgreSQL 15", server.new(), given.seconds, given.fleet))
        finally:
            server.close()
    text = table(rows, given.seconds, given.fleet)
    print(text)
    if given.write:
        page = README.read_text()
        start, _, rest = page.partition(BEGIN)
        README.write_text(f"{start}{BEGIN}\n\n{text}\n{END}{rest.partition(END)[2]}")
    return 0


def measured(name: str, address: str, seconds: float, fleet: int) -> dict[str, float | str]:
    """Figures of one database with `fleet` devices in it."""
    database = migrate.opened(address)
    keys = [signing.make_key() for _ in range(BATCH * CONNECTIONS)]
    fill(database, keys, fleet)
    with database.writing() as connection:
        token = users.make_token(connection, name="bench", role=Role.VIEWER, who="bench", now_s=int(time.time()))
    database.close()
    with hub(address):
        single = load(keys, seconds / 2, size=1, first=0)
        batched = load(keys, seconds, size=BATCH, first=1 << 40)
        pages = overview(token)
    return {"name": name, "pages": pages, **batched, "one": single["rate"], "one_p99": single["p99"]}


def fill(database: object, keys: list, fleet: int) -> None:
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
        with database.writing() as connection:  # type: ignore[attr-defined]
            connection.execute(insert(devices), rows[start : start + 5000])


@contextmanager
def hub(address: str) -> Iterator[None]:
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
        yield
    finally:
        process.terminate()
        process.wait(60)


def load(keys: list, seconds: float, *, size: int, first: int) -> dict[str, float]:
    """Reports a second, and how long batches of `size` take, from all connections."""
    prepared = [
        list(batches(keys[lane * BATCH : (lane + 1) * BATCH], size, first, seconds)) for lane in range(CONNECTIONS)
    ]
    times: list[float] = []
    taken = [0]
    lock = threading.Lock()
    until = time.monotonic() + seconds

    def send(lane: int) -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{PORT}", timeout=60) as client:
            for body in prepared[lane]:
                if time.monotonic() > until:
                    break
                started = time.perf_counter()
                answer = client.post("/api/v1/messages", content=body)
                spent = time.perf_counter() - started
                accepted = answer.text.count('"accepted"')
                assert accepted == size, answer.text[:300]
                with lock:
                    times.append(spent)
                    taken[0] += accepted

    began = time.monotonic()
    threads = [threading.Thread(target=send, args=(lane,)) for lane in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.monotonic() - began
    times.sort()
    return {
        "rate": taken[0] / wall,
        "p50": 1e3 * statistics.median(times),
        "p99": 1e3 * times[min(len(times) - 1, int(0.99 * len(times)))],
        "wall": wall,
    }


def batches(keys: list, size: int, first: int, seconds: float) -> Iterator[bytes]:
    """Bodies enough for `seconds` at four times what is asked for."""
    rounds = max(4, int(seconds * 8000 / CONNECTIONS / len(keys)))
    for number in range(rounds):
        signed = [report(key, first + number) for key in keys]
        for start in range(0, len(signed), size):
            yield signing.batch(signed[start : start + size])


def report(key: object, sequence: int) -> signing.Signed:
    """A signed report of the usual size."""
    said = Report(
        id=uuid.uuid4().hex,
        device=signing.device_id(signing.public_bytes(key)),  # type: ignore[arg-type]
        site="site-0",
        sequence=sequence,
        time_s=int(time.time()),
        status=Status.ONLINE,
        booted=RELEASE,
        labels={"ring": "rest"},
        agent_version="0.1.0",
        log=("golden: 8 of 8 rows", "kept"),
    )
    return signing.sign(message.written(said), key)  # type: ignore[arg-type]


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
        f"| database | reports/s, batches of {BATCH} | p50 of a batch | p99 | one a request: reports/s | p99 | ratio "
        f"| overview page, {fleet:,} devices |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        ratio = float(row["rate"]) / float(row["one"])
        lines.append(
            f"| {row['name']} | {row['rate']:,.0f} | {row['p50']:.0f} ms | {row['p99']:.0f} ms | {row['one']:,.0f} "
            f"| {row['one_p99']:.0f} ms | {ratio:.1f} | {row['pages']:.0f} ms |"
        )
    load_now = Path("/proc/loadavg").read_text().split()[0]
    lines.append(f"\n{seconds:.0f} s each on two shared cores, four connections; load average at the end {load_now}.\n")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
