"""A second machine on a wire: an agent in a network namespace of its own, at the other end of a veth pair."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HERE, THERE, PORT = "10.213.77.1", "10.213.77.2", 8470
_NET_ADMIN = 12


def why_not() -> str:
    """What is missing to make a network namespace; "" if nothing."""
    if shutil.which("ip") is None:
        return "ip (apt install iproute2)"
    status = Path("/proc/self/status").read_text()
    effective = int(re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.MULTILINE)[1], 16)
    if os.getuid() != 0 or not effective >> _NET_ADMIN & 1:
        return "root with CAP_NET_ADMIN, for a network namespace"
    return ""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=10)


@dataclass
class Wire:
    """The namespace and the pair that leads to it. The pair goes with the namespace."""

    name: str = field(default_factory=lambda: f"ew{os.getpid() % 100000}")

    def lay(self) -> None:
        ip("netns", "add", self.name)
        ip("link", "add", self.name, "type", "veth", "peer", "name", "edge0", "netns", self.name)
        ip("addr", "add", f"{HERE}/30", "dev", self.name)
        ip("link", "set", self.name, "up")
        for arguments in (("addr", "add", f"{THERE}/30", "dev", "edge0"), ("link", "set", "edge0", "up")):
            ip("-n", self.name, *arguments)
        ip("-n", self.name, "link", "set", "lo", "up")

    def cut(self) -> None:
        ip("-n", self.name, "link", "set", "edge0", "down")

    def mend(self) -> None:
        ip("-n", self.name, "link", "set", "edge0", "up")

    def remove(self) -> None:
        ip("netns", "del", self.name)


class Agent:
    """`edgewise agent --bench` as a process in the namespace of `wire`."""

    url = f"http://{THERE}:{PORT}"

    def __init__(self, wire: Wire, folder: Path) -> None:
        self._command = [
            *("ip", "netns", "exec", wire.name, sys.executable, "-m", "edgewise", "agent", "--bench"),
            *("--listen", f"{THERE}:{PORT}", "--token-file", str(folder / "token"), "--store", str(folder / "device")),
        ]
        self.token_file = folder / "token"
        self.device_store = folder / "device"
        self.said: list[str] = []
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True)
        listening = threading.Event()

        def listen() -> None:
            for line in self._process.stderr:
                self.said.append(line)
                if "measuring for plans at" in line:
                    listening.set()
            self._process.stderr.close()

        self._listener = threading.Thread(target=listen)
        self._listener.start()
        assert listening.wait(20), self.said

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def token(self) -> str:
        return self.token_file.read_text().strip()

    def children(self) -> set[int]:
        found = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        threads = Path(f"/proc/{self._process.pid}/task").glob("*/children")
        return {int(pid) for path in threads for pid in path.read_text().split()} | {int(pid) for pid in found}

    def end(self, number: signal.Signals) -> int:
        if self._process.poll() is None:
            self._process.send_signal(number)
        code = self._process.wait(15)
        self._listener.join(5)
        return code


@dataclass
class At:
    """A progress listener that does something once, at a step of a stage."""

    step_number: int
    do: Callable[[], object]
    steps: int = 0

    def stage(self, name: str, total: int | None) -> None:
        self.steps = 0

    def step(self, note: str = "", *, amount: int = 1) -> None:
        before, self.steps = self.steps, self.steps + amount
        if before < self.step_number <= self.steps:
            self.do()
