"""MLflow's registry taken over, from a double that answers as MLflow's REST documents say."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from edgewise.core.database.engine import Database
from edgewise.core.registry import mlflow, search
from edgewise.errors import BadImport, NotFound

METRICS = [{"key": "accuracy", "value": 0.97, "step": 0, "timestamp": 1}, {"key": "loss", "value": "NaN", "step": 0}]
RUN = {"info": {"run_id": "r1"}, "data": {"metrics": METRICS}}
BOTH = 'it\'s "both"'
VERSIONS = [
    {
        "name": "it's",
        "version": str(n),
        "creation_timestamp": n,
        "source": f"s3://models/{n}",
        "run_id": run,
        "tags": [],
    }
    for n, run in ((1, ""), (2, "r1"), (3, "gone"))
]
MODELS = [
    {
        "name": "it's",
        "description": "reads meters",
        "tags": [{"key": "team", "value": "press"}],
        "aliases": [{"alias": "champion", "version": "2"}],
    },
    {"name": "empty"},
    {"name": BOTH},
]


class Double(BaseHTTPRequestHandler):
    """A page of one model, a page of two versions, one run."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        asked = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        at, code = int(asked.get("page_token", "0")), 200
        answer: dict[str, object]
        match parts.path.removeprefix("/api/2.0/mlflow/"):
            case "registered-models/search":
                more = str(at + 1) if at + 1 < len(MODELS) else ""
                answer = {"registered_models": MODELS[at : at + 1], "next_page_token": more}
            case "model-versions/search" if asked["filter"] == 'name="it\'s"':
                answer = {"model_versions": VERSIONS[at : at + 2]} | ({"next_page_token": "2"} if at == 0 else {})
            case "model-versions/search" if not asked["filter"]:
                answer = {"model_versions": [{"name": BOTH, "version": "1"}, *VERSIONS]}
            case "model-versions/search":
                answer = {}
            case "runs/get" if asked["run_id"] == "r1":
                answer = {"run": RUN}
            case _:
                answer, code = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such run"}, 404
        content = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Double)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    thread.join(30)
    made.server_close()


def take(database: Database, address: str) -> list[tuple[str, int, int]]:
    done = []
    for found in mlflow.read(address):
        with database.writing() as connection:
            one = mlflow.keep(connection, found, address, now_ms=1000)
            done.append((one.models[0], one.new, one.known))
    return done


def test_everything_comes_once(database: Database, server: str) -> None:
    assert take(database, server) == [("it's", 3, 0), ("empty", 0, 0), (BOTH, 1, 0)]
    assert take(database, server) == [("it's", 0, 3), ("empty", 0, 0), (BOTH, 0, 1)]
    with database.reading() as connection:
        found = search.version(connection, "it's", "champion")
        assert [one.name for one in search.listed_models(connection).models] == ["empty", "it's", BOTH]
    assert (found.name, found.metrics, found.training_run) == ("2", {"accuracy": 0.97}, f"{server}#run/r1")
    assert [one.uri for one in found.artifacts] == ["s3://models/2"]


@pytest.mark.parametrize("path", ["/nothing", ""])
def test_what_is_no_mlflow_is_said(server: str, path: str) -> None:
    address = f"{server}{path}" if path else "http://127.0.0.1:1"
    with pytest.raises((BadImport, NotFound), match=r"MLflow|no such run"):
        list(mlflow.read(address))
