"""A PostgreSQL of Debian, started on a free port as a user without rights, that is gone after the tests."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

BIN = Path("/usr/lib/postgresql/15/bin")
USER = "edgewise"


class Postgres:
    """One server in a folder of its own. It can be stopped and started again, as a database that goes away does."""

    def __init__(self, *, durable: bool = False) -> None:
        self._durable = durable
        self.folder = Path(tempfile.mkdtemp(prefix="edgewise-pg-"))
        self._account = "postgres" if os.geteuid() == 0 else ""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        if self._account:
            entry = pwd.getpwnam(self._account)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
        self._run(
            "initdb", "-D", str(self.data), "-U", USER, "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"
        )
        self.start()

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c shared_buffers=64MB"
        options += "" if self._durable else " -c fsync=off"
        self._run(
            "pg_ctl", "-D", str(self.data), "-w", "-t", "60", "-l", str(self.folder / "log"), "-o", options, "start"
        )

    def stop(self) -> None:
        """At once, as a power cut would, but tidy: whatever was under way is broken off."""
        self._run("pg_ctl", "-D", str(self.data), "-w", "-t", "60", "-m", "immediate", "stop")

    def running(self) -> bool:
        return (self.data / "postmaster.pid").exists()

    def new(self) -> str:
        """The address of a new, empty database."""
        name = f"t{uuid.uuid4().hex[:12]}"
        for _ in range(30):
            try:
                self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, name)
                break
            except subprocess.CalledProcessError:
                time.sleep(0.5)
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{name}"

    def close(self) -> None:
        if self.running():
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        words = [str(BIN / program), *arguments]
        if self._account:
            words = ["runuser", "-u", self._account, "--", *words]
        log = (self.folder / f"{program}.log").open("ab")
        with log:
            subprocess.run(words, check=True, cwd="/", stdout=log, stderr=log, stdin=subprocess.DEVNULL, timeout=120)


def available() -> bool:
    """Whether Debian's postgresql is here, and somebody without rights to run it."""
    if not (BIN / "initdb").exists():
        return False
    if os.geteuid() != 0:
        return True
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        return False
    return shutil.which("runuser") is not None
