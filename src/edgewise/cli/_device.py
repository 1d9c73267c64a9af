"""The device that a verb is asked to measure on, and the token for it."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from edgewise.design.device import Device, connect
from edgewise.errors import BadConfiguration
from edgewise.runtimes import pairing

DeviceFlag = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="URL",
        help="Measure on a device that runs `edgewise agent --bench`, e.g. http://10.0.0.7:8470.",
        show_default=False,
    ),
]
DeviceNameFlag = Annotated[
    str | None,
    typer.Option(
        "--device-name",
        metavar="MACHINE",
        help="What the catalogue calls the device: estimates for that machine lean on these figures from now on.",
        show_default=False,
    ),
]
TokenFileFlag = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        help=f"File with the device's pairing token. Default: the variable {pairing.VARIABLE}.",
        dir_okay=False,
        show_default=False,
    ),
]


@contextlib.contextmanager
def opened(url: str | None, token_file: Path | None) -> Iterator[Device | None]:
    """The device at `url` while the block lasts; None where none is asked for.

    Raises:
        BadConfiguration: there is no token, or the device does not take it.
        DeviceLost, Busy, NoRunnableDesign: as `connect`.
    """
    if url is None:
        if token_file is not None:
            raise BadConfiguration("--token-file belongs to --device", hint="--device http://HOST:8470")
        yield None
        return
    with connect(url, token(token_file)) as device:
        yield device


def token(token_file: Path | None) -> str:
    """The token in `token_file`, else in the environment.

    Raises:
        BadConfiguration: there is none.
    """
    if token_file is not None:
        return pairing.read(token_file)
    given = os.environ.get(pairing.VARIABLE, "").strip()
    if not given:
        raise BadConfiguration(
            "the device wants its pairing token",
            hint=f"--token-file FILE, or {pairing.VARIABLE}; `edgewise agent --bench` shows it there",
        )
    return pairing.checked(given, pairing.VARIABLE)
