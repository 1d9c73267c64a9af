"""A device on loopback: Debian's OpenSSH server with a throwaway key, and doubles of podman, systemd and servers.

The doubles keep what they are told in files, and behave as the test says: `state/well` decides whether a started server
becomes well, for each digest of a release; `state/cut` names a command in whose midst the connection is lost.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SSHD = "/usr/sbin/sshd"

COMMON = """#!/bin/sh
home=$(dirname "$0")/..
state=$home/state
program=${0##*/}
running=$state/running-meter-reader
echo "$program $*" >> "$state/log"
lost() {  # the session is killed, with the connection that all commands share
  [ "$(cat "$state/cut" 2>/dev/null)" = "$1" ] && rm "$state/cut" && kill -9 $PPID && exit 1
}
well() { grep -qwF -- "$(cat "$running" 2>/dev/null || echo none)" "$state/well"; }
for name; do :; done
lost "$program $1"
"""
PODMAN = """
case "$1 $2" in
  "--version "*) cat "$state/podman" ;;
  "pull "*) [ ! -e "$state/no-registry" ] || exit 125 ;;
  "pod inspect") [ -e "$running" ] && cut -c 8-70 "$running" || exit 125 ;;
  "inspect "*) cat "$running" 2>/dev/null || exit 125 ;;
  "healthcheck run"|"exec "*) well || exit 1 ;;
  "volume ls") ls "$state/volumes" ;;
  "volume rm") rm "$state/volumes/$name" ;;
esac
"""
SYSTEMCTL = """
[ "$1" != --user ] || shift
case "$1 $name" in
  restart*-pod.service) ;;
  restart*|start*)
    cd "$home/root"
    for unit in */containers/systemd/meter-reader.* .config/containers/systemd/meter-reader.* \\
        */systemd/*/meter-reader.service; do
      case $unit in *.network|*.pod) continue ;; esac
      [ -e "$unit" ] || continue
      sed -n 's/.*io.edgewise.release=\\([^ "]*\\).*/\\1/p' "$unit" | head -n 1 > "$running"
      for volume in $(dirname "$unit")/*.volume; do
        [ ! -e "$volume" ] || touch "$state/volumes/systemd-$(basename "$volume" .volume)"
      done
    done ;;
  stop*meter-reader.service) rm -f "$running" ;;
  is-active*) well || { echo failed; exit 3; } ;;
esac
lost "after $program $1"
exit 0
"""
PYTHON = """
case "$1" in -m) well || exit 1 ;; esac
"""
LOGINCTL = """
[ ! -e "$state/no-linger" ] || exit 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device that is reached at `url` with the configuration `config` of ssh."""

    url: str
    config: Path
    home: Path

    @property
    def root(self) -> Path:
        return self.home / "root"

    @property
    def log(self) -> list[str]:
        path = self.home / "state/log"
        return path.read_text().splitlines() if path.exists() else []

    def forget(self) -> None:
        """Nothing is on it any more, and nothing runs."""
        for name in ("root", "state"):
            shutil.rmtree(self.home / name, ignore_errors=True)
        (self.home / "root").mkdir()
        (self.home / "state/volumes").mkdir(parents=True)
        self.say("podman", "podman version 5.4.2")
        self.say("well", "")

    @property
    def volumes(self) -> list[str]:
        return sorted(path.name for path in (self.home / "state/volumes").iterdir())

    def say(self, name: str, text: str) -> None:
        (self.home / "state" / name).write_text(text)

    @property
    def running(self) -> str:
        """Digest of the release that runs, "" where none does."""
        path = self.home / "state/running-meter-reader"
        return path.read_text().strip() if path.exists() else ""

    def units(self, folder: str = "etc/containers/systemd") -> list[str]:
        return sorted(path.name for path in (self.root / folder).glob("*") if not path.name.startswith("."))

    def hidden(self) -> list[str]:
        return sorted(path.name for path in self.root.rglob(".*edgewise*"))


def missing() -> str:
    """What is not here, "" where all is."""
    for program in (SSHD, "ssh", "ssh-keygen"):
        if shutil.which(program) is None:
            return f"{program} (apt install openssh-server openssh-client)"
    return ""


@contextmanager
def device(home: Path) -> Iterator[Device]:
    """A device in the folder `home`, until the block ends."""
    for name in ("bin", "keys"):
        (home / name).mkdir(parents=True)
    programs = {"podman": PODMAN, "systemctl": SYSTEMCTL, "python3": PYTHON, "loginctl": LOGINCTL}
    for name, text in programs.items():
        (home / "bin" / name).write_text(COMMON + text)
        (home / "bin" / name).chmod(0o755)
    made = Device(url="ssh://device", config=home / "keys/config", home=home)
    made.forget()
    for name in ("host", "user"):
        key = str(home / "keys" / name)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True, timeout=60)
    port = _free_port()
    server = subprocess.Popen([SSHD, "-D", "-e", "-f", str(_server_config(home, port))], stderr=subprocess.PIPE)
    try:
        _write_client_config(home, port)
        _wait(port, server)
        yield made
    finally:
        server.terminate()
        server.communicate(timeout=30)


def _server_config(home: Path, port: int) -> Path:
    Path("/run/sshd").mkdir(exist_ok=True)  # sshd insists on its empty folder
    keys = home / "keys"
    (keys / "authorized").write_text((keys / "user.pub").read_text())
    path = keys / "sshd_config"
    path.write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {keys}/host\nPidFile none\nAuthorizedKeysFile {keys}/authorized\n"
        f"StrictModes no\nPasswordAuthentication no\nUsePAM no\nPermitRootLogin yes\nMaxStartups 100\n"
        f"SetEnv PATH={home}/bin:{os.environ['PATH']} HOME={home}/root\n"  # whose own .bashrc takes no time
    )
    return path


def _write_client_config(home: Path, port: int) -> None:
    keys = home / "keys"
    host = (keys / "host.pub").read_text().split()
    (keys / "known").write_text(f"[127.0.0.1]:{port} {host[0]} {host[1]}\n")
    (keys / "config").write_text(
        f"Host device\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {keys}/user\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {keys}/known\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n"
    )


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _wait(port: int, server: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if server.poll() is not None:
            raise RuntimeError(server.stderr.read().decode() if server.stderr else "sshd ended")
        with socket.socket() as trying:
            if trying.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("sshd does not listen")
