"""The golden replayed from outside, against servers that answer right, wrong, late, or not at all."""

import http.server
import json
import socketserver
import threading
from pathlib import Path

import numpy as np
import pytest

from edgewise.edge.agent import proving
from fakes import linear
from fakes import served as models


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


@pytest.fixture
def answering(tmp_path: Path):
    """Starts a server on a socket that answers what the function makes of the inputs."""
    started = []

    def start(make):
        class Answers(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                tensor = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["inputs"][0]
                status, outputs = make(np.array(tensor["data"], np.float32).reshape(tensor["shape"]))
                body = json.dumps({"outputs": outputs} if status == 200 else {"error": "no"}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

            def address_string(self):
                return "here"

        server = _Server(str(tmp_path / "s.sock"), Answers)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append(server)
        return str(tmp_path / "s.sock")

    yield start
    for one in started:
        one.shutdown()
        one.server_close()


def outputs(y):
    return 200, [{"name": "y", "shape": list(y.shape), "datatype": "FP32", "data": y.ravel().tolist()}]


def test_right_answers_are_proven_and_timed(tmp_path, answering):
    folder = models.linear_folder(tmp_path / "model")
    found = proving.prove(str(folder), answering(lambda x: outputs(linear.expected("dynamic", x))))
    assert found["wrong"] == ""
    assert found["latency_p99_ms"] > 0


def test_an_answer_that_is_off_in_one_value_is_named(tmp_path, answering):
    folder = models.linear_folder(tmp_path / "model")

    def off(x):
        y = linear.expected("dynamic", x).copy()
        y[0, 1] += 0.01
        return outputs(y)

    assert "golden row 0: output y[0, 1] is" in proving.prove(str(folder), answering(off))["wrong"]


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda x: (500, []), "answers 500"),
        (lambda x: (200, []), "another shape"),
        (lambda x: outputs(np.full((1, 3), np.nan, np.float32)), "is nan"),
        (lambda x: outputs(np.zeros((3, 1), np.float32)), "another shape"),
    ],
)
def test_no_answer_and_no_number_are_wrong(tmp_path, answering, make, word):
    folder = models.linear_folder(tmp_path / "model")
    assert word in proving.prove(str(folder), answering(make))["wrong"]


def test_a_server_that_hangs_is_not_waited_for(tmp_path, answering):
    folder, over = models.linear_folder(tmp_path / "model"), threading.Event()

    def hang(_):
        over.wait(10)
        return 500, []

    try:
        with pytest.raises(TimeoutError):
            proving.prove(str(folder), answering(hang), answer_s=0.2)
    finally:
        over.set()


def test_answers_that_are_right_and_together_too_late_are_wrong(tmp_path, answering):
    folder, now_s = models.linear_folder(tmp_path / "model"), [0.0]

    def late(x):
        now_s[0] += 7.0
        return outputs(linear.expected("dynamic", x))

    private = answering(late)
    told = proving.prove(str(folder), private, answer_s=8.0, whole_s=10.0, clock_s=lambda: now_s[0])
    assert "2 of " in told["wrong"]
    assert "of its golden took longer than 10 s" in told["wrong"]
    assert told["asked"] == 2
    now_s[0] = 0.0
    told = proving.prove(str(folder), private, rounds=1, clock_s=lambda: now_s[0])
    assert (told["wrong"], told["round_s"]) == ("", 7.0 * told["asked"])
