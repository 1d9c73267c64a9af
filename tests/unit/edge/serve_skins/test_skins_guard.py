"""Who is let in: keys and TLS, over both protocols, and both anew without a restart."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import orjson
import pytest
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from tritonclient.utils import InferenceServerException

from edgewise.edge.serve.guard import tls
from edgewise.edge.serve.guard.keys import Keys
from edgewise.edge.serve.guard.tls import TlsFiles
from edgewise.errors import BadConfiguration
from fakes.certificates import Authority
from fakes.serve_core import PATIENCE_S, Skins
from fakes.serve_process import exchange, open_connection, request

OLD, NEW = "old-key-0123456789", "new-key-0123456789"
GOOD = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1.0, 2.0]}]}
X = np.zeros((1, 2), dtype=np.float32)


def key_file(folder: Path, text: str) -> Path:
    path = folder / "keys"
    path.write_text(text)
    return path


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[Skins, Keys, Path]]:
    path = key_file(tmp_path, f"# of the press line\n\npress {OLD}\n")
    keys = Keys(path)
    with Skins(keys=keys, grpc=True) as skins:
        yield skins, keys, path


def test_rest_wants_a_key_but_for_health(guarded: tuple[Skins, Keys, Path]):
    skins, keys, path = guarded
    ask = request("POST", "/v2/models/echo/infer", orjson.dumps(GOOD))
    with open_connection(skins.address) as connection:
        status, headers, body = exchange(connection, ask)
        assert (status, headers["www-authenticate"]) == (401, 'Bearer realm="edgewise"')
        assert "key" in orjson.loads(body)["error"]
        for target in ("/v2", "/v2/models/echo", "/v2/repository/models/echo/unload"):
            method = "POST" if "repository" in target else "GET"
            assert exchange(connection, request(method, target))[0] == 401
        assert exchange(connection, request("GET", "/v2/health/ready"))[0] == 200
        known = request("POST", "/v2/models/echo/infer", orjson.dumps(GOOD), **bearer(OLD))
        assert exchange(connection, known)[0] == 200
        assert exchange(connection, known)[0] == 200
        path.write_text(NEW)
        skins.on_loop(keys.reload)
        assert exchange(connection, known)[0] == 401
    for size in (b"Content-Length: 1000000", b"Transfer-Encoding: chunked"):  # refused before any of it is read
        with open_connection(skins.address) as connection:
            head = b"POST /v2/models/echo/infer HTTP/1.1\r\nHost: here\r\n" + size + b"\r\n\r\n"
            status, headers, _ = exchange(connection, head)
            assert (status, headers["connection"]) == (401, "close")
    assert skins.core.models.calls == []


def test_grpc_wants_a_key_but_for_health(guarded: tuple[Skins, Keys, Path]):
    skins, keys, path = guarded
    given = over_grpc.InferInput("x", [1, 2], "FP32")
    given.set_data_from_numpy(X)
    with over_grpc.InferenceServerClient(skins.grpc_netloc) as client:
        assert client.is_server_ready()
        for headers in (None, {"authorization": "Bearer wrong-key-0123456789"}):
            with pytest.raises(InferenceServerException, match="UNAUTHENTICATED"):
                client.infer("echo", [given], headers=headers)
            with pytest.raises(InferenceServerException, match="UNAUTHENTICATED"):
                client.unload_model("echo", headers=headers)
        known = {"authorization": f"Bearer {OLD}"}
        np.testing.assert_array_equal(client.infer("echo", [given], headers=known).as_numpy("x"), X)
        path.write_text(NEW)
        skins.on_loop(keys.reload)
        with pytest.raises(InferenceServerException, match="UNAUTHENTICATED"):
            client.infer("echo", [given], headers=known)
    assert skins.core.models.calls == []


@pytest.mark.parametrize("text", ["", "# nothing\n", "short\n"])
def test_a_file_without_a_usable_key_lets_nobody_in_and_changes_nothing(tmp_path: Path, text: str):
    path = key_file(tmp_path, OLD)
    keys = Keys(path)
    path.write_text(text)
    with pytest.raises(BadConfiguration):
        keys.reload()
    keys.check(f"Bearer {OLD}")
    with pytest.raises(BadConfiguration):
        Keys(path)
    with pytest.raises(BadConfiguration):
        Keys(tmp_path / "nothing")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def secured(authority: Authority) -> Iterator[Skins]:
    certificate, key = authority.issue("server")
    files = TlsFiles(certificate=certificate, key=key, client_authority=authority.certificate)
    with Skins(files=files, grpc=True) as skins:
        yield skins


def client_context(authority: Authority, by: Authority | None) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=authority.certificate)
    if by is not None:
        made.load_cert_chain(*by.issue("client"))
    return made


def secure(skins: Skins, context: ssl.SSLContext) -> ssl.SSLSocket:
    return context.wrap_socket(open_connection(skins.address), server_hostname="localhost")


def test_rest_over_mutual_tls(secured: Skins, authority: Authority):
    large = {"inputs": [{**GOOD["inputs"][0], "shape": [20_000, 2], "data": [0.5] * 40_000}]}
    with secure(secured, client_context(authority, authority)) as connection:
        for document in (GOOD, large, GOOD):
            status, _, body = exchange(connection, request("POST", "/v2/models/echo/infer", orjson.dumps(document)))
            assert status == 200
            assert orjson.loads(body)["outputs"][0]["data"] == document["inputs"][0]["data"]
        assert exchange(connection, b"GET /v2 HTTP/9.9\r\n\r\n")[0] in (400, 505)


def test_a_foreign_client_over_mutual_tls(secured: Skins, authority: Authority):
    certificate, key = authority.issue("client")
    given = over_http.InferInput("x", [1, 2], "FP32")
    given.set_data_from_numpy(X)
    with over_http.InferenceServerClient(
        f"localhost:{secured.address[1]}",
        ssl=True,
        ssl_context_factory=lambda: client_context(authority, authority),
    ) as client:
        np.testing.assert_array_equal(client.infer("echo", [given]).as_numpy("x"), X)
    given = over_grpc.InferInput("x", [1, 2], "FP32")
    given.set_data_from_numpy(X)
    with over_grpc.InferenceServerClient(
        secured.grpc_netloc,
        ssl=True,
        root_certificates=str(authority.certificate),
        private_key=str(key),
        certificate_chain=str(certificate),
    ) as client:
        np.testing.assert_array_equal(client.infer("echo", [given]).as_numpy("x"), X)


@pytest.mark.parametrize("who", ["nobody", "a stranger"])
def test_without_a_certificate_of_the_authority_nobody_comes_in(
    secured: Skins, authority: Authority, who: str, tmp_path: Path
):
    stranger = Authority(tmp_path, "stranger") if who == "a stranger" else None
    with (
        pytest.raises((ssl.SSLError, ConnectionError)),
        secure(secured, client_context(authority, stranger)) as connection,
    ):
        exchange(connection, request("GET", "/v2/health/live"))
    credentials = grpc.ssl_channel_credentials(
        authority.certificate.read_bytes(),
        *([one.read_bytes() for one in reversed(stranger.issue("client"))] if stranger else []),
    )
    with grpc.secure_channel(secured.grpc_netloc, credentials) as channel, pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary("/inference.GRPCInferenceService/ServerLive")(b"", timeout=PATIENCE_S)
    assert raised.value.code() == grpc.StatusCode.UNAVAILABLE


def test_plain_http_at_a_tls_address_ends_and_others_are_served(secured: Skins, authority: Authority):
    with open_connection(secured.address) as connection:
        connection.sendall(b"GET /v2 HTTP/1.1\r\nHost: here\r\n\r\n")
        assert not connection.recv(100).startswith(b"HTTP/1.1 200")
    with secure(secured, client_context(authority, authority)) as connection:
        assert exchange(connection, request("GET", "/v2"))[0] == 200


def test_certificates_are_read_again(tmp_path: Path):
    authority = Authority(tmp_path)
    first, key = authority.issue("first")
    files = TlsFiles(certificate=first, key=key)
    with Skins(files=files, grpc=True) as skins:
        assert shown(skins, authority) == "first"
        second, second_key = authority.issue("second")
        first.write_bytes(second.read_bytes())
        with pytest.raises(BadConfiguration):  # the key is still that of the first
            skins_reload(skins, files)
        assert shown(skins, authority) == "first"
        key.write_bytes(second_key.read_bytes())
        skins_reload(skins, files)
        assert shown(skins, authority) == "second"
        skins.on_loop(skins.side.reload)
        assert shown(skins, authority, skins.grpc_netloc) == "second"


def skins_reload(skins: Skins, files: TlsFiles) -> None:
    assert skins.context is not None
    tls.load(skins.context, files)


def shown(skins: Skins, authority: Authority, netloc: str = "") -> str:
    """The common name of the certificate that the server shows."""
    context = client_context(authority, None)
    if netloc:
        context.set_alpn_protocols(["h2"])
    host, _, port = (netloc or skins.netloc).rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=PATIENCE_S) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        found: Any = connection.getpeercert()
    return str(dict(one[0] for one in found["subject"])["commonName"])
