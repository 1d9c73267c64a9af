"""`edgewise agent bench`, or --bench: this device measures for plans that are made elsewhere, until it is stopped."""

import contextlib
import ipaddress
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from edgewise.cli._say import note
from edgewise.cli.config import settings
from edgewise.cli.options import StoreFlag
from edgewise.edge.bench.bench import Bench
from edgewise.edge.bench.lease import Lease
from edgewise.edge.bench.server import Server
from edgewise.errors import BadConfiguration, NoRunnableDesign
from edgewise.flow import metering
from edgewise.hardware.probe import probe
from edgewise.runtimes import pairing, protocol
from edgewise.store import lock
from edgewise.store.steps import Store

LISTEN = "127.0.0.1:8470"


def run(
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where to listen; 0.0.0.0:8470 for every network.")
    ] = LISTEN,
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File with the pairing token; made if it is not there.", dir_okay=False),
    ] = None,
    store: StoreFlag = None,
) -> None:
    """Measure models on this device for a plan that runs elsewhere.

    Shows a pairing token that `edgewise plan --device` needs, and runs until Ctrl-C or SIGTERM. Only model files
    and fixed commands are taken, never code; one plan measures at a time.
    """
    host, port = address(listen)
    versions = protocol.versions()
    if not versions:
        raise NoRunnableDesign("no runtime is installed here", hint="pip install 'edgewise[onnxruntime]'")
    token = pairing.read_or_make(token_file) if token_file else _shown_token()
    found = settings(store=store)
    folder = found.store / "bench"
    with lock.alone(folder, "bench agent"), metering.opened(found.meter) as metered:
        kept = Store(folder)
        kept.sweep()
        machine = probe()
        work = Bench(kept, machine=machine, meter=metered.meter, lease=Lease())
        work.files.forget_partial()
        try:
            server = Server(host, port, bench=work, token=token)
        except OSError as error:
            raise BadConfiguration(
                f"{listen} cannot be listened at: {error.strerror or error}", hint="another --listen HOST:PORT"
            ) from error
        with server, _stop_signal() as stopped:
            shown = f"[{host}]" if ":" in host else host
            note(f"machine:  {machine.title}, {machine.cpu.cores} cores")
            note(f"runtimes: {', '.join(f'{name} {version}' for name, version in versions.items())}")
            note(f"energy:   {'; '.join(metered.caveats) or metered.name or 'no meter'}")
            note(f"measuring for plans at http://{shown}:{server.server_port}, until Ctrl-C")
            stopped.wait()
    note("stopped")


def address(listen: str) -> tuple[str, int]:
    """Host and port of HOST:PORT; an IPv6 address stands in brackets.

    Raises:
        BadConfiguration: it is neither.
    """
    host, _, port = listen.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    try:
        inside = bare == host or ipaddress.ip_address(bare).version == 6
    except ValueError:
        inside = False
    if not (bare and inside and port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise BadConfiguration(f"{listen!r} is not HOST:PORT", hint=f"--listen {LISTEN}")
    return bare, int(port)


def _shown_token() -> str:
    """A new token, shown to the person at the terminal; never to a log."""
    if not sys.stderr.isatty():
        raise BadConfiguration(
            "there is no terminal to show a pairing token on, and it must not get into a log",
            hint="name a file for it: --token-file FILE",
        )
    token = pairing.make()
    note(f"token:    {token}")
    return token


@contextlib.contextmanager
def _stop_signal() -> Iterator[threading.Event]:
    """Set by SIGTERM and Ctrl-C, which mean again afterwards what they meant before."""
    stopped = threading.Event()
    numbers = (signal.SIGTERM, signal.SIGINT)

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as signal calls it
        stopped.set()

    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield stopped
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
