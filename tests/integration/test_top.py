"""`edgewise top` and `serve --top` on a real server: figures under load, TLS and keys, a server that goes and comes."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton

from edgewise.cli import _top_view as view
from edgewise.cli import main
from edgewise.cli.config import Output
from edgewise.edge.top.source import Credentials, Gone, Source
from edgewise.edge.top.watch import Watch
from edgewise.errors import NoMetrics
from fakes import linear
from fakes.certificates import Authority
from fakes.serve_process import PATIENCE_S, ServerProcess
from fakes.served import linear_folder

KEY = "0123456789abcdef0123"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return linear_folder(tmp_path_factory.mktemp("model") / "line")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServerProcess]:
    with ServerProcess(folder, environment={"EDGEWISE_WATTS": "10"}) as started:
        yield started


@contextmanager
def load(netloc: str) -> Iterator[None]:
    """Two rows at once, again and again."""
    stop = threading.Event()

    def ask() -> None:
        good = triton.InferInput("x", [2, linear.FEATURES], "FP32")
        good.set_data_from_numpy(np.ones((2, linear.FEATURES), np.float32))
        with triton.InferenceServerClient(netloc) as client:
            while not stop.is_set():
                client.infer("line", [good])

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        stop.set()
        asking.join(PATIENCE_S)


def test_one_table_and_its_json_say_what_a_busy_server_does(
    server: ServerProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    with load(server.netloc):
        with Source(server.netloc) as source:
            until(lambda: bool(source.page().get("edgewise_energy_joules_total")))
        assert main.run(["top", server.netloc, "--once", "--interval", "300ms", "-o", "json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert main.run(["top", server.netloc, "--once", "--interval", "300ms", "-o", "wide"]) == 0
        *about, head, line = capsys.readouterr().out.splitlines()
    (model,) = found["models"]
    assert (model["name"], model["version"], model["ready"]) == ("line", "1", True)
    assert model["requests_per_s"] > 0
    assert model["rows_per_s"] == pytest.approx(2 * model["requests_per_s"], rel=0.5)
    assert model["mean_batch"] >= 2
    assert 0 < model["p50_ms"] <= model["p99_ms"]
    assert 0 <= model["queue_ms"] < model["p99_ms"]
    assert 0 < model["busy"] < 1
    assert (model["meter"], model["declared"]) == ("cpu-seconds", True)
    assert found["rss_bytes"] > 20e6
    assert found["cpu"] > 0
    assert not found["restarted"]
    assert about[0].startswith(f"{server.netloc}: Edgewise ")
    assert head.split()[:4] == ["MODEL", "VERSION", "READY", "REQ/S"]
    assert line.split()[:3] == ["line", "1", "yes"]


def test_failures_are_counted_that_no_model_ever_saw(server: ServerProcess) -> None:
    with Source(server.netloc) as source:
        watched = Watch(source)
        with triton.InferenceServerClient(server.netloc) as client, pytest.raises(Exception, match="nowhere"):
            client.infer("nowhere", [])
        found = watched.look()
    assert found.faults_per_s is not None
    assert found.faults_per_s > 0


def test_an_address_without_metrics_has_an_exit_code_of_its_own(
    server: ServerProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["top", "127.0.0.1:1", "--once"]) == NoMetrics.exit_code == 64
    assert "does not answer" in capsys.readouterr().err
    assert main.run(["top", f"http://{server.netloc}/v2"]) == 64
    assert main.run(["top", server.netloc, "--interval", "1ms"]) == 2


def test_tls_a_key_and_a_certificate_of_our_own(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    authority = Authority(tmp_path)
    (certificate, key), (own, own_key) = authority.issue("server"), authority.issue("client")
    keys = tmp_path / "keys"
    keys.write_text(f"press-line {KEY}\n")
    guards = ["--tls-certificate", certificate, "--tls-key", key, "--client-ca", authority.certificate, "--keys", keys]
    where = tmp_path / "s"
    with ServerProcess(folder, *guards, "--http", f"unix:{where}") as started:
        words = ["--once", "--interval", "100ms", "-o", "name", "--ca", str(authority.certificate)]
        ours = ["--certificate", str(own), "--certificate-key", str(own_key)]
        netloc = next(one for one in started.ready["http"] if not one.startswith("unix"))
        for address in (f"https://{netloc}", f"unix:{where}"):
            assert main.run(["top", address, *words, *ours, "--key-file", str(keys)]) == 0
            assert capsys.readouterr().out == "line/1\n"
        assert main.run(["top", netloc, *words, *ours]) == 64
        assert "--key-file" in capsys.readouterr().err
        assert main.run(["top", netloc, *words]) == 64
        other = Source(f"https://{netloc}", Credentials(certificate=own, certificate_key=own_key))
        with other, pytest.raises(Gone, match="CERTIFICATE_VERIFY_FAILED"):
            other.page()
    assert KEY not in capsys.readouterr().err


# httpcore leaves a UNIX socket that nobody listens at to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_server_that_goes_away_is_waited_for_and_one_started_anew_is_said_to_be(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The pauses between looks are where things happen to the server."""
    address = f"unix:{tmp_path / 's'}"
    servers = [ServerProcess(folder, "--http", address, http=False)]
    said: list[str] = []

    def go() -> None:
        servers.pop().__exit__()

    def come() -> None:
        said.append(capsys.readouterr().err)
        servers.append(ServerProcess(folder, "--http", address, http=False))

    steps: list[Callable[[], None]] = [go, lambda: None, come, lambda: None]
    with Source(address) as source:
        view.again_and_again(source, 1.0, Output.TABLE, until=lambda: not steps, wait=lambda _: steps.pop(0)())
    go()
    out, err = capsys.readouterr()
    assert said[0].count("does not answer since") == 1
    assert "answers again" in err
    assert " ".join(out.split()).count("STARTED ANEW") == 1
    assert out.count("MODEL") == 2


def test_on_a_terminal_the_view_is_drawn_in_place_and_ctrl_c_ends_the_server_too(folder: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "edgewise", "serve", str(folder), "--http", "127.0.0.1:0", "--top"]
    environment = {**os.environ, "COLUMNS": "100", "LINES": "30", "TERM": "xterm"}
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    )
    os.close(theirs)
    try:
        shown = read_until(ours, lambda text: "REQ/S" in text)
        pid = int(re.search(r"process (\d+);", shown)[1])  # type: ignore[index]
        assert Path(f"/proc/{pid}").exists()
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
        assert not Path(f"/proc/{pid}").exists()
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert "line" in shown
    assert "Traceback" not in shown


def test_a_server_that_cannot_begin_ends_the_view_with_its_own_code(
    server: ServerProcess, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert main.run(["serve", str(folder), "--http", server.netloc, "--top"]) == 60
    finally:
        signal.signal(signal.SIGTERM, before)
    assert f"{server.netloc} cannot be listened at" in capfd.readouterr().err


def until(true: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < ends_s
        time.sleep(0.05)


def read_until(descriptor: int, enough: Callable[[str], bool]) -> str:
    """What a terminal was sent, until it is enough."""
    text, ends_s = "", time.monotonic() + PATIENCE_S
    while not enough(text):
        assert time.monotonic() < ends_s, text
        if select.select([descriptor], [], [], 1.0)[0]:
            text += os.read(descriptor, 65536).decode(errors="replace")
    return text
