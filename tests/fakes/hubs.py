"""Devices that speak to a hub, a clock that stands still until it is moved, and a hub without a network."""

import socket
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import httpx
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewise.core.database.engine import Database
from edgewise.core.hub import app, enrolment, intake, users
from edgewise.core.hub.users import Role
from edgewise.exchange import enrolment as documents
from edgewise.exchange import message, signing
from edgewise.exchange.enrolment import Enrolled, Enrolment
from edgewise.exchange.message import Case, Report, Status
from edgewise.exchange.receipt import Receipt, Taken
from edgewise.exchange.signing import Signed

NOW_S = 1_800_000_000
RELEASE = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64


@dataclass
class Clock:
    """Seconds since 1970, as the test says."""

    now: int = NOW_S

    def __call__(self) -> int:
        return self.now


@dataclass
class FakeDevice:
    """A device that signs what it says, and counts."""

    key: Ed25519PrivateKey = field(default_factory=signing.make_key)
    sequence: int = -1

    @property
    def id(self) -> str:
        return signing.device_id(signing.public_bytes(self.key))

    def asks(self, token: str) -> bytes:
        return documents.written(Enrolment(token=token, public_key=signing.public_bytes(self.key)), self.key)

    def enrols(self, database: Database, *, site: str = "press-line", now_s: int = NOW_S, **labels: str) -> Enrolled:
        with database.writing() as connection:
            made = enrolment.invite(connection, site=site, labels=labels, who="test", now_s=now_s)
        with database.writing() as connection:
            return enrolment.enrol(connection, documents.read(self.asks(made.token)), now_s=now_s)

    def report(self, status: Status = Status.ONLINE, **changes: object) -> Report:
        self.sequence += 1
        made = Report(
            id=uuid.uuid4().hex,
            device=self.id,
            site="press-line",
            sequence=self.sequence,
            time_s=NOW_S,
            status=status,
            booted=RELEASE,
        )
        return replace(made, **changes)  # type: ignore[arg-type]

    def case(self, **changes: object) -> Case:
        self.sequence += 1
        made = Case(
            id=uuid.uuid4().hex,
            device=self.id,
            site="press-line",
            sequence=self.sequence,
            time_s=NOW_S,
            release=RELEASE,
            model="meter-reader",
            why="two digits are as likely",
            prediction='{"outputs":[]}',
            confidence=0.51,
        )
        return replace(made, **changes)  # type: ignore[arg-type]

    def signs(self, said: Report | Case) -> Signed:
        return signing.sign(message.written(said), self.key)

    def says(self, database: Database, *said: Report | Case, now_s: int = NOW_S) -> Receipt:
        return intake.take(database, [self.signs(one) for one in said], now_s=now_s)


def taken(receipt: Receipt) -> Sequence[Taken]:
    return [one.taken for one in receipt.outcomes]


@contextmanager
def serving(database: Database, **settings: object) -> Iterator[httpx.Client]:
    """A hub on a free port of this machine, and a client that knows where."""
    made = app.make(database, **settings)  # type: ignore[arg-type]
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(made, log_config=None, access_log=False, timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        until = time.monotonic() + 30
        while not server.started and time.monotonic() < until:
            time.sleep(0.01)
        with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()


def head(database: Database, role: Role) -> dict[str, str]:
    """The head of requests of somebody with `role`."""
    with database.writing() as connection:
        token = users.make_token(connection, name=f"the {role}", role=role, who="test", now_s=int(time.time()))
    return {"Authorization": f"Bearer {token}"}
