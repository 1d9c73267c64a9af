"""`edgewise top`: a running server, as it works."""

from pathlib import Path
from typing import Annotated

import typer

from edgewise.cli import _top_view as view
from edgewise.cli.config import settings
from edgewise.cli.options import OutputFlag
from edgewise.edge.top.source import Credentials, Source
from edgewise.units import TIME, parse

ADDRESS = "127.0.0.1:8080"
EVERY = "2s"
LEAST_S = 0.1


def run(
    address: Annotated[
        str,
        typer.Argument(metavar="[ADDRESS]", help="HOST:PORT, a URL, or unix:PATH, of the server's REST side."),
    ] = ADDRESS,
    interval: Annotated[str, typer.Option(metavar="TIME", help="Look again after so long, such as 500ms.")] = EVERY,
    once: Annotated[bool, typer.Option("--once", help="Print what happens in one interval, and end.")] = False,
    key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Send the first key of this file, as `serve --keys` reads it.")
    ] = None,
    ca: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Speak TLS, and trust this authority's certificates, PEM.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Our certificate, for a server that wants one, PEM.")
    ] = None,
    certificate_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its key, PEM.")] = None,
    output: OutputFlag = None,
) -> None:
    """Watch a running server: what every model does now, how long it takes, what it costs.

    Reads the server's /metrics at every interval and shows the difference: requests and failures a second, the time
    of half of the requests and of 99 of 100, the mean wait for the model, the mean batch, the share of the time in
    which the model ran, and energy where the server has a meter. Ctrl-C ends it. A server that goes away is waited
    for; one that was started anew is said to be. On a terminal the table is drawn in place, piped there is one after
    the other; with -o json a document for every interval.

    Examples: edgewise top 127.0.0.1:8080
    edgewise top unix:/run/edgewise.sock --once -o json
    edgewise top https://press-line.example:8443 --ca ca.pem --key-file keys
    """
    every_s = _seconds(interval)
    given = Credentials(key_file=key_file, authority=ca, certificate=certificate, certificate_key=certificate_key)
    chosen = settings(output=output).output
    with Source(address, given) as source:
        if once:
            view.once(source, every_s, chosen)
        else:
            view.again_and_again(source, every_s, chosen)


def _seconds(text: str) -> float:
    try:
        found = parse(text, TIME) / 1e3
    except ValueError as error:
        raise typer.BadParameter(f"--interval: {error}") from None
    if found < LEAST_S:
        raise typer.BadParameter(
            f"--interval {text} is shorter than 100ms, which would cost the server more than it shows"
        )
    return found
