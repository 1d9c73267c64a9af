"""The command line of the server's process. Base settings come from flags, then from the environment."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from edgewise.edge.serve.addresses import Address, parse
from edgewise.edge.serve.guard.limits import Limits
from edgewise.edge.serve.guard.tls import TlsFiles
from edgewise.errors import BadConfiguration

DEFAULT_HTTP = "127.0.0.1:8080"
MODEL_VARIABLE, DIGEST_VARIABLE = "EDGEWISE_MODEL", "EDGEWISE_MODEL_DIGEST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the process was asked to do.

    Attributes:
        later: addresses of `http`, and perhaps `grpc`, that wait for SIGUSR1.
    """

    models: tuple[Path, ...]
    digest: str = ""
    http: tuple[Address, ...] = ()
    grpc: Address | None = None
    later: tuple[Address, ...] = ()
    tls: TlsFiles | None = None
    keys: Path | None = None
    limits: Limits = field(default_factory=Limits)
    memory_bytes: int | None = None
    lazy: bool = False
    access_log: bool = False


def read(arguments: Sequence[str]) -> Options:
    """The options; leaves the process where they cannot be understood, as argparse does.

    Raises:
        BadConfiguration: they contradict themselves.
    """
    given = _parser().parse_args(arguments)
    models = given.models or [one for one in os.environ.get(MODEL_VARIABLE, "").split(os.pathsep) if one]
    if not models:
        raise BadConfiguration("there is nothing to serve", hint=f"name a model folder, or set {MODEL_VARIABLE}")
    later = tuple(map(parse, given.later))
    http = tuple(map(parse, given.http))
    grpc = parse(given.grpc) if given.grpc else None
    http += tuple(one for one in later if one not in http and one != grpc)
    if not http and grpc is None:
        http = (parse(DEFAULT_HTTP),)
    if grpc is not None and grpc.kind == "fd":
        raise BadConfiguration("gRPC cannot take an inherited socket", hint="--grpc HOST:PORT or unix:PATH")
    return Options(
        models=tuple(map(Path, models)),
        digest=os.environ.get(DIGEST_VARIABLE, ""),
        http=http,
        grpc=grpc,
        later=later,
        tls=_tls(given),
        keys=given.keys,
        limits=_limits(given),
        memory_bytes=given.memory,
        lazy=given.lazy,
        access_log=given.access_log,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m edgewise.edge.serve",
        description="Serve models by the Open Inference Protocol v2.",
        epilog="ADDR is HOST:PORT, unix:PATH, or fd:NUMBER, an inherited listening socket.",
    )
    add = parser.add_argument
    add("models", nargs="*", metavar="MODELS", help=f"model folders, or a repository; else what {MODEL_VARIABLE} names")
    add("--http", action="append", default=[], metavar="ADDR", help=f"REST, may be repeated (default {DEFAULT_HTTP})")
    add("--grpc", default="", metavar="ADDR", help="gRPC")
    add(
        "--later", action="append", default=[], metavar="ADDR", help="accept here only from SIGUSR1 on; may be repeated"
    )
    add("--tls-certificate", type=Path, metavar="FILE", help="the server's chain, PEM; read again on SIGHUP")
    add("--tls-key", type=Path, metavar="FILE", help="its key, PEM")
    add("--client-ca", type=Path, metavar="FILE", help="let in only clients with a certificate of this authority")
    add("--keys", type=Path, metavar="FILE", help="let in only who sends a key of this file: one a line")
    add("--memory", type=int, metavar="BYTES", help="ceiling of the process's memory: models beyond it are not loaded")
    add("--lazy", action="store_true", help="load a model when it is first asked for")
    add("--access-log", action="store_true", help="a JSON line on stderr for every inference")
    for name, text in _LIMITS.items():
        kind = float if name.endswith("_s") else int
        add(f"--{name.replace('_', '-')}", type=kind, metavar="SECONDS" if kind is float else "N", help=text)
    return parser


_LIMITS = {
    "body_bytes": "largest body or gRPC message",
    "json_bytes": "largest JSON in a body",
    "under_way_bytes": "all bodies together",
    "connections": "connections at once",
    "idle_s": "close a connection that asks nothing for so long",
    "progress_s": "close a connection that moves less than 64 KiB in so long",
    "drain_s": "after SIGTERM, wait so long for what is under way",
}


def _limits(given: argparse.Namespace) -> Limits:
    chosen = {name: getattr(given, name) for name in _LIMITS if getattr(given, name) is not None}
    assert set(chosen) <= {one.name for one in fields(Limits)}
    for name, value in chosen.items():
        if not value > 0:
            raise BadConfiguration(f"--{name.replace('_', '-')} {value} is no limit", hint="a number above 0")
    return replace(Limits(), **chosen)


def _tls(given: argparse.Namespace) -> TlsFiles | None:
    if given.tls_certificate is None and given.tls_key is None and given.client_ca is None:
        return None
    if given.tls_certificate is None or given.tls_key is None:
        raise BadConfiguration("TLS takes a certificate and its key", hint="--tls-certificate FILE --tls-key FILE")
    return TlsFiles(certificate=given.tls_certificate, key=given.tls_key, client_authority=given.client_ca)
