"""`edgewise serve`: the inference server, for a model folder or for what the last plan of a site chose."""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from edgewise.cli import _top_view as view
from edgewise.cli._say import clean, note
from edgewise.cli.config import settings
from edgewise.cli.options import StoreFlag
from edgewise.edge.serve.options import DEFAULT_HTTP
from edgewise.edge.top.beside import ServerBeside
from edgewise.errors import BadInput
from edgewise.flow import edgefile
from edgewise.flow.served import lay_out, served
from edgewise.runtimes.served import NAME
from edgewise.store.steps import Store

MODULE = "edgewise.edge.serve"
TOP_S = 2.0
_YAML = (".yaml", ".yml")


def run(
    what: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[EDGE.YAML | MODELS…]", help="edge.yaml, or model folders, or a repository of them."),
    ] = None,
    site: Annotated[str | None, typer.Option(metavar="NAME", help="Serve what was planned for this site.")] = None,
    http: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDR", help="REST: HOST:PORT, unix:PATH or fd:NUMBER; may be repeated. 127.0.0.1:8080."),
    ] = None,
    grpc: Annotated[str | None, typer.Option(metavar="ADDR", help="gRPC: HOST:PORT or unix:PATH.")] = None,
    later: Annotated[
        list[str] | None, typer.Option(metavar="ADDR", help="Accept here only from SIGUSR1 on; may be repeated.")
    ] = None,
    tls_certificate: Annotated[Path | None, typer.Option(metavar="FILE", help="The server's chain, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its key, PEM.")] = None,
    client_ca: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Let in only clients with a certificate of this authority.")
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Let in only who sends a key of this file: one a line.")
    ] = None,
    memory: Annotated[
        int | None,
        typer.Option(metavar="BYTES", help="Ceiling of the server's memory; models beyond it are not loaded."),
    ] = None,
    lazy: Annotated[bool, typer.Option("--lazy", help="Load a model when it is first asked for.")] = False,
    access_log: Annotated[
        bool, typer.Option("--access-log", help="A JSON line on stderr for every inference.")
    ] = False,
    top: Annotated[bool, typer.Option("--top", help="Show what the server does, as `edgewise top`.")] = False,
    store: StoreFlag = None,
) -> None:
    """Serve models by the Open Inference Protocol v2.

    Over REST and gRPC. With an edge.yaml: what its last plan chose. With folders: the models in them, each with a
    model.json. A model reproduces its golden on this machine before it is served. SIGTERM answers what is under way
    and ends; SIGHUP reads keys, certificates and models again.

    Example: edgewise serve edge.yaml --site press-line --http 127.0.0.1:8080 --grpc 127.0.0.1:8081

    The server is a small process of its own: this command becomes it. With --top it stands beside this command, which
    shows what it does, and ends with it.
    """
    folders = _folders(what or [Path("edge.yaml")], site, store)
    flags = [
        *_each("--http", http),
        *_each("--grpc", [grpc] if grpc else None),
        *_each("--later", later),
        *_files({"--tls-certificate": tls_certificate, "--tls-key": tls_key, "--client-ca": client_ca, "--keys": keys}),
        *([f"--memory={memory}"] if memory is not None else []),
        *(["--lazy"] if lazy else []),
        *(["--access-log"] if access_log else []),
    ]
    if not top:
        _become([*flags, "--", *map(str, folders)])
    if client_ca is not None:
        raise typer.BadParameter(
            "--top has no certificate for a server that wants one; run `edgewise top` with one beside it"
        )
    default = [] if http or grpc or later else [f"--http={DEFAULT_HTTP}"]
    raise typer.Exit(_watched([*default, *flags, "--", *map(str, folders)], keys=keys, tls=tls_certificate is not None))


def _folders(what: list[Path], site: str | None, store: Path | None) -> list[Path]:
    """The model folders to serve; those of an edge.yaml are laid out in the store, by digest."""
    yaml = [one for one in what if one.suffix in _YAML]
    if not yaml:
        if site is not None:
            raise typer.BadParameter("--site belongs to an edge.yaml")
        return what
    if len(what) > 1:
        raise typer.BadParameter("name one edge.yaml, or model folders")
    project = edgefile.load(yaml[0])
    if site is None and len(project.sites) > 1:
        names = ", ".join(one.name for one in project.sites)
        raise BadInput(f"{yaml[0]} has several sites: {names}", hint=f"--site {project.sites[0].name}")
    kept = Store(settings(store=store).store)
    given = served(project, project.site(site) if site else project.sites[0], kept)
    folder = kept.folder / "served" / given.digest.replace(":", "-")
    if not (folder / NAME).exists():
        folder.mkdir(parents=True, exist_ok=True)
        lay_out(given, folder, kept)
    note(f"serving {given.model.name}: {given.model.design}, {given.digest}")
    return [folder]


def _each(flag: str, values: list[str] | None) -> list[str]:
    return [f"{flag}={value}" for value in values or []]


def _files(given: dict[str, Path | None]) -> list[str]:
    return [f"{flag}={path}" for flag, path in given.items() if path is not None]


def _watched(arguments: Sequence[str], *, keys: Path | None, tls: bool) -> int:
    """Serve in a process beside this one, and show what it does, until Ctrl-C or SIGTERM; its exit code."""
    signal.signal(signal.SIGTERM, _as_ctrl_c)
    with ServerBeside(arguments, complain=_complained) as server:
        if server.ready.get("ready"):
            where = ", ".join([*server.ready["http"][1:], *server.ready["grpc"]])
            note(f"serving at {where}, process {server.pid}; Ctrl-C ends both")
            with server.source(key_file=keys, tls=tls) as source:
                view.again_and_again(source, TOP_S, settings().output, until=lambda: server.ended)
        return server.end()


def _complained(line: str) -> None:
    """What the server says on stderr, above what is drawn."""
    sys.stderr.write(f"{clean(line)}\n")


def _as_ctrl_c(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as signal calls it
    raise KeyboardInterrupt


def _become(arguments: list[str]) -> NoReturn:
    """Replace this process: what commands import would cost the server more memory than its model."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", MODULE, *arguments])  # noqa: S606 - no shell is wanted
