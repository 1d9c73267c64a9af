"""A device behind a proxy: the tree is followed, and the hub told, by way of it alone."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from edgewise.edge.agent import outside
from edgewise.errors import NotTrusted
from fakes.releases import Releases

TREE, HUB = "http://releases.invalid/plant", "http://hub.invalid"
"""Names that no resolver knows: only a proxy can."""


class Proxy(ThreadingHTTPServer):
    """Answers for `TREE` from `folder`, and refuses for everybody else."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.folder = folder
        self.asked: list[str] = []


class Asked(BaseHTTPRequestHandler):
    """One request, whose target is a whole address, as proxies are asked."""

    server: Proxy

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        path = self.server.folder / urlsplit(self.path).path.removeprefix("/plant/")
        content = path.read_bytes() if self.path.startswith(TREE) and path.is_file() else None
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def do_POST(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def site(tmp_path: Path) -> Releases:
    return Releases.make(tmp_path / "site", "press-line")


@pytest.fixture
def proxy(site: Releases, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with Proxy(site.folder) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{made.server_port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        yield made
        made.shutdown()
        thread.join()


def test_the_tree_is_followed_through_the_proxy(tmp_path: Path, site: Releases, proxy: Proxy) -> None:
    release = site.publish(site.release())
    (tmp_path / "device/trust").mkdir(parents=True)
    (tmp_path / "device/trust/root.json").write_bytes(site.root)
    told = outside.follow(str(tmp_path / "device"), [TREE], "0" * 32, "press-line", {}, "")
    assert told["due"] == release
    assert f"{TREE}/metadata/timestamp.json" in proxy.asked


def test_the_hub_is_told_through_the_proxy(tmp_path: Path, proxy: Proxy) -> None:
    with pytest.raises(NotTrusted, match="the hub answers 403"):
        outside.enrol(str(tmp_path), HUB, "token")
    assert proxy.asked == [f"{HUB}/api/v1/enrol"]
