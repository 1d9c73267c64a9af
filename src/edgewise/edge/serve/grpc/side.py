"""The gRPC server: its bounds, its TLS, its beginning and its end."""

from typing import Any

import grpc

from edgewise.edge.serve.addresses import Address
from edgewise.edge.serve.contract import Core, Observer
from edgewise.edge.serve.grpc import descriptors
from edgewise.edge.serve.grpc.calls import Calls
from edgewise.edge.serve.guard import tls
from edgewise.edge.serve.guard.keys import Keys
from edgewise.edge.serve.guard.limits import Limits
from edgewise.edge.serve.guard.tls import TlsFiles
from edgewise.errors import AddressTaken

PING_S = 60


class Side:
    """The gRPC server at `address`."""

    def __init__(
        self,
        core: Core,
        address: Address,
        *,
        limits: Limits,
        files: TlsFiles | None = None,
        keys: Keys | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._address, self._limits, self._files = address, limits, files
        self._calls = Calls(core, limits=limits, keys=keys, observer=observer)
        self._server = grpc.aio.server(options=_options(limits), maximum_concurrent_rpcs=limits.streams)
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(descriptors.SERVICE, self._calls.handlers()),)
        )
        self._renewed: Any = None
        self._credentials = self._made_credentials() if files else None

    async def accept(self) -> str:
        """Listen, and say where.

        Raises:
            AddressTaken: it cannot be listened at.
        """
        target = _target(self._address)
        try:
            if self._credentials is not None:
                port = self._server.add_secure_port(target, self._credentials)
            else:
                port = self._server.add_insecure_port(target)
        except RuntimeError as error:
            raise AddressTaken(f"{self._address.text} cannot be listened at: {error}") from error
        await self._server.start()
        if self._address.kind == "unix":
            return self._address.text
        return f"{self._address.text.rpartition(':')[0]}:{port}"

    def reload(self) -> None:
        """Read the certificates again, for every connection to come.

        Raises:
            BadConfiguration: they cannot be used; the old ones stay.
        """
        if self._files is not None:
            self._renewed = _configuration(self._files)

    async def drain(self) -> None:
        """Stop accepting, answer what is under way."""
        self._calls.draining = True
        await self._server.stop(self._limits.drain_s)

    def _made_credentials(self) -> grpc.ServerCredentials:
        assert self._files is not None
        first = _configuration(self._files)

        def fetch() -> Any:
            renewed, self._renewed = self._renewed, None
            return renewed

        return grpc.dynamic_ssl_server_credentials(
            first, fetch, require_client_authentication=self._files.client_authority is not None
        )


def _configuration(files: TlsFiles) -> Any:
    key, chain, authority = tls.read(files)
    return grpc.ssl_server_certificate_configuration([(key, chain)], authority)


def _target(address: Address) -> str:
    if address.kind == "unix":
        return address.text
    return f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"


def _options(limits: Limits) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", limits.body_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", limits.head_bytes),
        ("grpc.absolute_max_metadata_size", limits.head_bytes),
        ("grpc.max_concurrent_streams", limits.streams),
        ("grpc.so_reuseport", 0),
        ("grpc.server_handshake_timeout_ms", int(limits.head_s * 1e3)),
        ("grpc.max_connection_idle_ms", int(limits.idle_s * 1e3)),
        ("grpc.keepalive_time_ms", PING_S * 1000),
        ("grpc.keepalive_timeout_ms", int(limits.progress_s * 1e3)),
    ]
