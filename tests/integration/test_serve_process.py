"""The server as a process: ready line, addresses, signals, and a foreign client."""

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import orjson
import pytest
import tritonclient.grpc as over_grpc
import tritonclient.http as triton

from edgewise.edge.serve import health
from edgewise.nouns import Golden, Plan
from fakes import linear
from fakes.serve_process import ServerProcess, exchange, read_answer, request
from fakes.served import golden, linear_folder
from integration.test_plan import Place

X = np.random.default_rng(3).standard_normal((2, linear.FEATURES)).astype(np.float32)
Y = linear.expected("dynamic", X)
ASK = request(
    "POST",
    "/v2/models/line/infer",
    orjson.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 6], "data": X.ravel().tolist()}]}),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return linear_folder(tmp_path_factory.mktemp("model") / "line")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServerProcess]:
    with ServerProcess(folder) as started:
        yield started


def asked(binary: bool) -> triton.InferInput:
    made = triton.InferInput("x", list(X.shape), "FP32")
    made.set_data_from_numpy(X, binary_data=binary)
    return made


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_a_foreign_client_gets_the_model_s_answer(server: ServerProcess, binary_in: bool, binary_out: bool):
    with triton.InferenceServerClient(server.netloc) as client:
        wanted = triton.InferRequestedOutput("y", binary_data=binary_out)
        found = client.infer("line", [asked(binary_in)], outputs=[wanted], request_id="7")
    np.testing.assert_allclose(found.as_numpy("y"), Y, rtol=1e-5)
    assert found.get_response()["id"] == "7"


def test_the_health_check_says_what_the_server_says(server: ServerProcess, folder: Path):
    assert health.main([f"http://{server.netloc}/v2/health/ready"]) == 0
    assert health.main([f"http://{server.netloc}/v2/nothing"]) == 1
    assert health.main(["http://127.0.0.1:1/v2/health/ready"]) == 1


def test_sigterm_answers_what_comes_on_open_connections_and_ends_with_0(folder: Path):
    with ServerProcess(folder) as started, started.connect() as open_before:
        assert exchange(open_before, ASK)[0] == 200
        open_before.sendall(ASK[:20])
        started.signal(signal.SIGTERM)
        until_refused(started)
        status, headers, body = exchange(open_before, ASK[20:])
        assert (status, headers["connection"]) == (200, "close")
        np.testing.assert_allclose(orjson.loads(body)["outputs"][0]["data"], Y.ravel(), rtol=1e-5)
        assert started.exit_code() == 0


def until_refused(started: ServerProcess) -> None:
    for _ in range(3000):
        try:
            with socket.create_connection(started.address, timeout=1):
                threading.Event().wait(0.01)
        except OSError:
            return
    pytest.fail("it still accepts")


def test_an_inherited_socket_is_accepted_on_only_from_sigusr1_on(folder: Path):
    with socket.create_server(("127.0.0.1", 0)) as shared:
        number = shared.fileno()
        old = ServerProcess(folder, "--http", f"fd:{number}", inherit=[number], http=False)
        with old, ServerProcess(folder, "--later", f"fd:{number}", inherit=[number], http=False) as new:
            assert new.ready == {"ready": True, "http": [], "grpc": []}
            old.signal(signal.SIGTERM)
            assert old.exit_code() == 0
            with socket.create_connection(shared.getsockname(), timeout=30) as waiting:
                waiting.sendall(ASK)
                new.signal(signal.SIGUSR1)
                assert new.line() == {"accepting": True, "http": [f"fd:{number}"], "grpc": []}
                assert read_answer(waiting)[0] == 200


def test_a_unix_socket_is_taken_over_without_a_gap(folder: Path, tmp_path: Path):
    path = tmp_path / "s"
    where = f"unix:{path}"
    with ServerProcess(folder, "--http", where, http=False) as old:
        with ServerProcess(folder, "--later", where, http=False) as new:
            new.signal(signal.SIGUSR1)
            assert new.line()["http"] == [where]
            old.signal(signal.SIGTERM)
            assert old.exit_code() == 0
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(path))
                assert exchange(connection, ASK)[0] == 200
        assert not path.exists()


def test_a_golden_that_is_not_reproduced_is_told_and_nothing_is_served(tmp_path: Path):
    folder = tmp_path / "wrong"
    folder.mkdir()
    wrong: Golden = golden(folder, [X], [Y + 1])
    linear_folder(folder, with_golden=False, golden=wrong)
    with ServerProcess(folder) as started:
        assert started.ready["ready"] is False
        assert started.ready["reason"]
        assert started.exit_code() == 1


def test_another_digest_than_the_one_that_was_named_is_refused(folder: Path):
    environment = {"EDGEWISE_MODEL": str(folder), "EDGEWISE_MODEL_DIGEST": f"sha256:{'0' * 64}"}
    with ServerProcess(environment=environment) as started:
        assert started.ready["ready"] is False
        assert started.exit_code() > 1


def test_an_address_that_is_taken_is_told_at_the_start(server: ServerProcess, folder: Path):
    with ServerProcess(folder, "--http", server.netloc, http=False) as started:
        assert started.ready["ready"] is False
        assert server.netloc in started.ready["reason"]


def test_sighup_reads_keys_and_models_again(tmp_path: Path):
    folder = linear_folder(tmp_path / "root" / "line" / "1")
    keys = tmp_path / "keys"
    keys.write_text("first-key-0123456789")
    first, second = (exchange_with(key) for key in ("first-key-0123456789", "second-key-0123456789"))
    with ServerProcess(tmp_path / "root", "--keys", keys) as started:
        assert first(started, "/v2/models/line") == 200
        assert first(started, "/v2/models/line/versions/2/ready") == 404
        keys.write_text("second-key-0123456789")
        linear_folder(folder.parent / "2", version="2")
        started.signal(signal.SIGHUP)
        for _ in range(3000):
            if second(started, "/v2/models/line/versions/2/ready") == 200:
                break
            threading.Event().wait(0.01)
        assert second(started, "/v2/models/line/versions/2/ready") == 200
        assert first(started, "/v2/models/line") == 401


def exchange_with(key: str) -> Callable[[ServerProcess, str], int]:
    def ask(started: ServerProcess, target: str) -> int:
        with started.connect() as connection:
            return exchange(connection, request("GET", target, Authorization=f"Bearer {key}"))[0]

    return ask


def test_both_protocols_at_once_and_grpc_drains_too(folder: Path, tmp_path: Path):
    where = f"unix:{tmp_path}/grpc"
    with ServerProcess(folder, "--grpc", where) as started:
        assert started.ready["grpc"] == [where]
        with over_grpc.InferenceServerClient(where) as client:
            given = over_grpc.InferInput("x", list(X.shape), "FP32")
            given.set_data_from_numpy(X)
            np.testing.assert_allclose(client.infer("line", [given]).as_numpy("y"), Y, rtol=1e-5)
        started.signal(signal.SIGTERM)
        assert started.exit_code() == 0


def test_grpc_can_wait_for_sigusr1_too(folder: Path):
    with ServerProcess(folder, "--grpc", "127.0.0.1:0", "--later", "127.0.0.1:0", http=False) as started:
        assert started.ready == {"ready": True, "http": [], "grpc": []}
        started.signal(signal.SIGUSR1)
        (where,) = started.line()["grpc"]
        with over_grpc.InferenceServerClient(where) as client:
            assert client.is_server_ready()


def test_the_command_becomes_the_server(folder: Path):
    with ServerProcess(folder, module="edgewise", verb="serve") as started:
        assert started.ready["ready"] is True
        command = Path(f"/proc/{started.pid}/cmdline").read_bytes().split(b"\0")
        assert b"edgewise.edge.serve" in command
        mapped = Path(f"/proc/{started.pid}/maps").read_text()
        assert "pydantic_core" not in mapped
        with started.connect() as connection:
            assert exchange(connection, ASK)[0] == 200


def test_what_the_last_plan_chose_is_served(planned: tuple[Place, Plan]):
    here, made = planned
    x = np.load(here.folder / "eval.npz")["x"][:1]
    with ServerProcess(here.folder / "edge.yaml", "--store", here.store, module="edgewise", verb="serve") as started:
        assert started.ready["ready"] is True
        with triton.InferenceServerClient(started.netloc) as client:
            (tensor,) = client.get_model_metadata("subject")["inputs"]
            given = triton.InferInput(tensor["name"], list(x.shape), tensor["datatype"])
            given.set_data_from_numpy(x.astype(np.float32))
            found = client.infer("subject", [given])
        assert np.isfinite(found.as_numpy(found.get_response()["outputs"][0]["name"])).all()
        assert any(made.choice in line for line in started.errors)


@pytest.mark.parametrize(
    ("arguments", "sentence", "code"),
    [
        (["--http", "nowhere"], "no address", 17),
        (["--http", "127.0.0.1:99999"], "no address", 17),
        (["--grpc", "fd:3"], "inherited socket", 17),
        (["--http", "fd:99"], "cannot be listened at", 60),
        (["--tls-key", "/nothing"], "certificate and its key", 17),
        (["--keys", "/nothing"], "cannot be read", 17),
        (["--body-bytes", "0"], "no limit", 17),
    ],
)
def test_options_that_cannot_be_used_are_told(folder: Path, arguments: list[str], sentence: str, code: int):
    with ServerProcess(folder, *arguments, http=False) as started:
        assert started.ready["ready"] is False
        assert sentence in started.ready["reason"]
        assert started.exit_code() == code
