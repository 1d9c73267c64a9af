"""What a poll of the tree of releases costs, in bytes and on the hub: 100,000 devices ask nginx, and nothing is new.

The real follower (`exchange/follow.py`) polls a real tree once through a relay that counts and keeps its bytes. Then
the same bytes are sent for every device over a connection of its own, as an agent does that polls every quarter of an
hour, and every answer is looked at. A hub runs beside it, as a process, and counts what it was asked. Needs nginx
(Debian).

    python bench/polling.py                 print the table
    python bench/polling.py --write         and write it into bench/README.md
"""

import argparse
import os
import re
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from edgewise.core.releases import publish
from edgewise.core.releases.web import Folder
from fakes import certificates
from fakes.releases import Releases

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- written by bench/polling.py --write -->", "<!-- end of what bench/polling.py wrote -->"
PORT, TLS_PORT, HUB_PORT = 18580, 18581, 18582
ADDRESSES = [f"127.0.0.{number}" for number in range(1, 17)]
"""Of nginx: a connection that was closed keeps its pair of ports for a minute, and there are 28,000 to one address."""
OPEN_AT_ONCE, WORKERS = 64, 2
HEADER_BYTES = 52
"""IPv4 and TCP with timestamps, of every segment."""
PREDICTED_BYTES, PREDICTED_RATE, LIMIT_BYTES = 750, 4000, 1000
CONFIGURATION = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; server_tokens off; types {{ application/json json; }}
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ {listens} root {tree};
    location = /metadata/timestamp.json {{ add_header Cache-Control no-cache; }} }}
  server {{ listen 127.0.0.1:{tls} ssl; ssl_certificate {certificate}; ssl_certificate_key {key}; root {tree}; }}
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """What went over one connection.

    Attributes:
        sent, received: of HTTP, or of TLS around it, in the order of asking.
    """

    sent: tuple[bytes, ...]
    received: tuple[bytes, ...]

    @property
    def bytes(self) -> int:
        """Both ways."""
        return sum(map(len, self.sent)) + sum(map(len, self.received))


def main() -> int:
    """Measure, print, and write where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=100_000)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)  # nginx's workers are another user
        text = measured(Path(name), given.devices)
    print(text)
    if given.write:
        page = README.read_text()
        start, _, rest = page.partition(BEGIN)
        README.write_text(f"{start}{BEGIN}\n\n{text}\n{END}{rest.partition(END)[2]}")
    return 0


def measured(folder: Path, devices: int) -> str:
    """The table, as Markdown."""
    made = Releases.make(folder, "press-line", web=Folder(folder / "tree"))
    made.publish(made.release("1"))
    with nginx(folder), hub(folder) as asked:
        device = folder / "device"
        rows = [("a device's first poll", talk(made, device, PORT))]
        idle = talk(made, device, PORT)
        rows.append(("**nothing is new**", idle))
        rows.append(("nothing is new, over TLS 1.3", talk(made, folder / "device", TLS_PORT, folder / "authority.pem")))
        publish.sign_again(made.desk())
        rows.append(("the timestamp was signed again", talk(made, device, PORT)))
        made.publish(made.release("2"), at_once=True)
        rows.append(("another release is stable", talk(made, device, PORT)))
        idle = talk(made, device, PORT)
        before = asked()
        wire_bytes, seconds, processor_s = crowd(idle, devices, folder)
        seen = asked() - before
    lines = ["| a poll in which | bytes of HTTP, both ways | requests |", "|---|---:|---:|"]
    lines += [f"| {what} | {one.bytes:,} | {len(one.sent)} |" for what, one in rows]
    lines += [
        "",
        f"| {devices:,} devices poll once, a connection each | predicted | measured |",
        "|---|---:|---:|",
        f"| bytes of HTTP per poll, asked for is under {LIMIT_BYTES:,} | {PREDICTED_BYTES} | {idle.bytes:,} |",
        f"| bytes per poll with TCP and IP, setting up and closing included | | {wire_bytes / devices:,.0f} |",
        f"| polls a second, from {WORKERS} processes | {PREDICTED_RATE:,} | {devices / seconds:,.0f} |",
        f"| nginx's processor time per poll | | {1e6 * processor_s / devices:.0f} µs |",
        f"| of one core of nginx, were they to poll every 15 minutes | | {100 * processor_s / 900:.1f} % |",
        f"| requests that the hub saw meanwhile | 0 | {seen} |",
        "",
        f"{seconds:.0f} s on two shared cores, nginx with one worker; load average {os.getloadavg()[0]:.1f}.",
    ]
    return "\n".join(lines) + "\n"


def talk(made: Releases, device: Path, port: int, trusted: Path | None = None) -> Talk:
    """What one poll of the real follower says and hears at nginx's `port`, by way of a relay."""
    with relay(port) as (near, heard):
        if trusted is not None:
            os.environ["SSL_CERT_FILE"] = str(trusted)
        # Entity tags belong to an address: the relay's must be the same every time.
        scheme = "http" if trusted is None else "https"
        with made.follower(device / scheme, base=f"{scheme}://127.0.0.1:{near}") as follower:
            if trusted is not None:
                follower.follow()
                follower.close()
                heard.clear()
            follower.follow()
    sent, received = [content for who, content in heard if who], [content for who, content in heard if not who]
    return Talk(sent=tuple(sent), received=tuple(received))


@contextmanager
def relay(port: int) -> Iterator[tuple[int, list[tuple[bool, bytes]]]]:
    """A port before nginx's `port`, and what came by: whether from the client, and the bytes until the other spoke."""
    heard: list[tuple[bool, bytes]] = []
    with socket.create_server(("127.0.0.1", port + 100)) as listening:
        listening.settimeout(0.1)
        over = threading.Event()

        def pass_on() -> None:
            while not over.is_set():
                try:
                    client, _ = listening.accept()
                except TimeoutError:
                    continue
                with client, socket.create_connection(("127.0.0.1", port)) as server:
                    between(client, server)

        def between(client: socket.socket, server: socket.socket) -> None:
            ends = {client: server, server: client}
            with selectors.DefaultSelector() as ready:
                for end in ends:
                    ready.register(end, selectors.EVENT_READ)
                while True:
                    for key, _ in ready.select():
                        end = client if key.fileobj is client else server
                        content = end.recv(1 << 16)
                        if not content:
                            return
                        if heard and heard[-1][0] is (end is client):
                            heard[-1] = (heard[-1][0], heard[-1][1] + content)
                        else:
                            heard.append((end is client, content))
                        ends[end].sendall(content)

        thread = threading.Thread(target=pass_on)
        thread.start()
        try:
            yield port + 100, heard
        finally:
            over.set()
            thread.join()


def crowd(one: Talk, devices: int, folder: Path) -> tuple[int, float, float]:
    """Bytes on the wire, seconds, and nginx's processor seconds of `devices` polls, each as `one` was."""
    processor = processor_of(folder)
    began = time.monotonic()
    shares = [devices // WORKERS + (number < devices % WORKERS) for number in range(WORKERS)]
    reading, writing = os.pipe()
    children = []
    for number, share in enumerate(shares):
        child = os.fork()
        if not child:
            os.write(writing, f"{polls(one, share, ADDRESSES[number::WORKERS])}\n".encode())
            os._exit(0)
        children.append(child)
    failed = [child for child in children if os.waitpid(child, 0)[1]]
    seconds = time.monotonic() - began
    os.close(writing)
    with os.fdopen(reading) as answers:
        wire = sum(int(line) for line in answers)
    assert not failed, "a device was answered otherwise"
    return wire, seconds, processor_of(folder) - processor


def polls(one: Talk, devices: int, addresses: list[str]) -> int:
    """Poll for `devices`, `OPEN_AT_ONCE` connections at a time; bytes on the wire by the kernel's own count."""
    wire = 0
    wanted = [head(content) for content in one.received]
    with selectors.DefaultSelector() as ready:
        left, under_way = devices, 0
        while left or under_way:
            while left and under_way < OPEN_AT_ONCE:
                end = socket.socket()
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                end.connect((addresses[left % len(addresses)], PORT))
                end.sendall(one.sent[0])
                ready.register(end, selectors.EVENT_READ, [0, b""])
                left, under_way = left - 1, under_way + 1
            for key, _ in ready.select():
                end, state = key.fileobj, key.data
                assert isinstance(end, socket.socket)
                content = end.recv(1 << 16)
                assert content, "nginx closed"
                state[1] += content
                if len(state[1]) < len(one.received[state[0]]):
                    continue
                assert head(state[1]) == wanted[state[0]], state[1]
                state[0], state[1] = state[0] + 1, b""
                if state[0] < len(one.sent):
                    end.sendall(one.sent[state[0]])
                    continue
                ready.unregister(end)
                wire += on_the_wire(end)
                end.close()
                under_way -= 1
    return wire


def head(answer: bytes) -> bytes:
    """An answer without its date."""
    return re.sub(rb"\r\nDate: [^\r]*", b"", answer)


def on_the_wire(end: socket.socket) -> int:
    """Bytes of all segments of a connection, headers included; the last two, which close it, are still to come."""
    found = end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 232)
    acked, received = (int.from_bytes(found[at : at + 8], sys.byteorder) for at in (120, 128))
    out, into = (int.from_bytes(found[at : at + 4], sys.byteorder) for at in (136, 140))
    return acked + received + HEADER_BYTES * (out + into + 3)


def processor_of(folder: Path) -> float:
    """Processor seconds of nginx's processes so far."""
    master = int((folder / "nginx.pid").read_text())
    children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    ticks = 0
    for one in (str(master), *children):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def nginx(folder: Path) -> Iterator[None]:
    """Nginx over the tree, until the block is left."""
    authority = certificates.Authority(folder)
    certificate, key = authority.issue("nginx")
    (folder / "nginx.conf").write_text(
        CONFIGURATION.format(
            folder=folder,
            tree=folder / "tree",
            tls=TLS_PORT,
            certificate=certificate,
            key=key,
            listens=" ".join(f"listen {address}:{PORT};" for address in ADDRESSES),
        )
    )
    process = subprocess.Popen(["nginx", "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL)
    try:
        until(lambda: socket.create_connection(("127.0.0.1", PORT)).close() is None)
        yield
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def hub(folder: Path) -> Iterator[Callable[[], int]]:
    """A hub beside it, until the block is left; how many requests of others it has seen."""
    command = [sys.executable, "-m", "edgewise", "hub", "--listen", f"127.0.0.1:{HUB_PORT}"]
    process = subprocess.Popen([*command, "--database", f"sqlite:///{folder}/hub.db"], stderr=subprocess.DEVNULL)
    try:
        until(lambda: httpx.get(f"http://127.0.0.1:{HUB_PORT}/readyz").status_code == 200)
        yield requests_seen
    finally:
        process.terminate()
        process.wait(60)


def requests_seen() -> int:
    """By the hub's own counting, without those for its metrics."""
    page = httpx.get(f"http://127.0.0.1:{HUB_PORT}/metrics").text
    return sum(
        int(float(line.rpartition(" ")[2]))
        for line in page.splitlines()
        if line.startswith("edgewise_hub_requests_total") and "/metrics" not in line
    )


def until(works: Callable[[], bool], patience_s: float = 60.0) -> None:
    """Try again until it works."""
    for _ in range(int(patience_s / 0.1)):
        try:
            if works():
                return
        except (OSError, httpx.HTTPError):
            pass
        time.sleep(0.1)
    raise TimeoutError


if __name__ == "__main__":
    sys.exit(main())
