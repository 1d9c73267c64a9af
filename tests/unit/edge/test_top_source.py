"""The door to a server's metrics: what may stand in an address, and answers that are no page of metrics, or no end."""

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from edgewise.edge.top import source
from edgewise.edge.top.source import Credentials, Gone, Source
from edgewise.errors import BadConfiguration, NoMetrics
from fakes.certificates import Authority

GOOD = b'edgewise_build_info{version="1"} 1\n'


class Answers(BaseHTTPRequestHandler):
    """Answers by the path that is asked; remembers what it was sent."""

    sent: ClassVar[list[dict[str, str]]] = []

    def do_GET(self) -> None:
        self.sent.append(dict(self.headers.items()))
        match self.path:
            case "/metrics":
                self._say(200, GOOD)
            case "/endless":
                self.send_response(200)
                self.end_headers()
                try:
                    while True:
                        self.wfile.write(b"x" * 65536)
                except OSError:
                    return
            case "/bomb":
                self._say(200, gzip.compress(bytes(1 << 20)), ("Content-Encoding", "gzip"))
            case "/elsewhere":
                self._say(302, b"", ("Location", "/metrics"))
            case "/page":
                self._say(200, b"<html>hello</html>")
            case "/binary":
                self._say(200, b"\xff\xfe")
            case "/others":
                self._say(200, b"node_load1 0.5\n")
            case "/slow":
                self.send_response(200)
                self.end_headers()
                self.wfile.flush()
                ENDED.wait(30)
            case path:
                self._say(int(path[1:]), b"")

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _say(self, status: int, body: bytes, *more: tuple[str, str]) -> None:
        self.send_response(status)
        for name, text in [("Content-Length", str(len(body))), *more]:
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)


ENDED = threading.Event()


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        ENDED.set()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("form", ["{}", "http://{}", "http://{}/", "http://{}/metrics"])
def test_addresses_are_written_as_people_write_them(web: str, form: str) -> None:
    with Source(form.format(web)) as opened:
        assert opened.title == web
        assert opened.page()["edgewise_build_info"][0].labels == {"version": "1"}


@pytest.mark.parametrize(
    "address", ["", "8080", "ftp://a:1", "http://", "http://me:secret@a", "http://a:x", "http://a?b", "fd:3", "unix:"]
)
def test_what_is_no_address_is_told(address: str) -> None:
    with pytest.raises(BadConfiguration, match=r"address|socket"):
        Source(address)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("endless", "more than 4 MiB"),
        ("bomb", "compressed"),
        ("elsewhere", "answers 302"),
        ("page", "line 1 is no sample"),
        ("binary", "no page of metrics"),
        ("others", "not those of an inference server"),
        ("404", "answers 404"),
        ("401", "wants a key"),
    ],
)
def test_what_answers_no_metrics_is_told(web: str, path: str, said: str) -> None:
    with Source(f"http://{web}/{path}") as opened, pytest.raises(NoMetrics, match=said):
        opened.page()


@pytest.mark.parametrize("path", ["503", "slow"])
def test_a_server_that_does_not_answer_now_may_answer_later(
    web: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "PATIENCE_S", 0.2)
    with Source(f"http://{web}/{path}") as opened, pytest.raises(Gone):
        opened.page()


def test_the_first_key_is_sent_and_compression_is_not_asked_for(web: str, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# ours\npress-line 0123456789abcdef\nother fedcba9876543210\n")
    with Source(web, Credentials(key_file=file)) as opened:
        opened.page()
    assert Answers.sent[-1]["Authorization"] == "Bearer 0123456789abcdef"
    assert Answers.sent[-1]["Accept-Encoding"] == "identity"


def test_a_proxy_of_the_environment_is_not_asked(web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with Source(web) as opened:
        assert opened.page()


def test_certificates_that_contradict_the_address_or_each_other(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("client")
    with pytest.raises(BadConfiguration, match="without TLS"):
        Source("http://127.0.0.1:1", Credentials(authority=authority.certificate))
    with pytest.raises(BadConfiguration, match="belong together"):
        Source("https://127.0.0.1:1", Credentials(certificate=certificate))
    with pytest.raises(BadConfiguration, match="cannot be used"):
        Source("https://127.0.0.1:1", Credentials(certificate=key, certificate_key=certificate))
    with pytest.raises(BadConfiguration, match="cannot be used"):
        Source("127.0.0.1:1", Credentials(authority=tmp_path / "nothing"))
