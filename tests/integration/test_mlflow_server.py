"""A registry of a real MLflow server taken over, where `EDGEWISE_MLFLOW` names a Python that has mlflow."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from edgewise.core.database import migrate
from edgewise.core.registry import mlflow, search

PATIENCE_S = 120.0
NAMES = ["it's a reader", 'quo"ted', 'it\'s "both"', "a\\b", "100%_x"]
REGISTER = """
import sys
from mlflow import MlflowClient

client = MlflowClient(sys.argv[1])
run = client.create_run("0").info.run_id
client.log_metric(run, "accuracy", 0.9)
client.log_metric(run, "accuracy", 0.97, step=1)
client.log_metric(run, "loss", float("nan"))
for name in sys.argv[2:]:
    client.create_registered_model(name, tags={"team": "press"}, description="reads meters")
    for number in range(1, 4):
        client.create_model_version(name, f"s3://models/{number}/model", run if number == 2 else None)
    client.delete_model_version(name, "3")
    client.set_registered_model_alias(name, "champion", "2")
client.create_registered_model("empty")
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's address, with models in it."""
    python = os.environ.get("EDGEWISE_MLFLOW", "")
    if not python:
        pytest.skip("EDGEWISE_MLFLOW names no Python with mlflow")
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    command = [python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", address.rpartition(":")[2]]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
        try:
            until = time.monotonic() + PATIENCE_S
            while not _healthy(address):
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < until, (folder / "log").read_text()
                time.sleep(0.2)
            subprocess.run([python, "-c", REGISTER, address, *NAMES], check=True, timeout=PATIENCE_S, cwd=folder)
            yield address
        finally:
            process.terminate()
            process.wait(60)


def _healthy(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health").status_code == 200
    except httpx.HTTPError:
        return False


def test_everything_comes_once(server: str, tmp_path: Path) -> None:
    database = migrate.opened(f"sqlite:///{tmp_path / 'hub.db'}")
    for turn in range(2):
        came = {}
        for found in mlflow.read(server):
            with database.writing() as connection:
                done = mlflow.keep(connection, found, server, now_ms=1000)
            came[done.models[0]] = (done.new, done.known)
        whole = (2, 0) if turn == 0 else (0, 2)
        assert came == {**dict.fromkeys(NAMES, whole), "empty": (0, 0)}
    with database.reading() as connection:
        for name in NAMES:
            champion = search.version(connection, name, "champion")
            assert (champion.name, champion.metrics) == ("2", {"accuracy": 0.97})
            assert champion.training_run.startswith(f"{server}#run/")
            assert [one.uri for one in champion.artifacts] == ["s3://models/2/model"]
    database.close()
