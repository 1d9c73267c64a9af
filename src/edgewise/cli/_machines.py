"""The machines that a site can name, for `get machines` and `describe machine`."""

from collections.abc import Mapping
from difflib import get_close_matches

from edgewise.cli._figures import value
from edgewise.cli.config import Settings
from edgewise.errors import UnknownMachine
from edgewise.hardware import catalogue, probe
from edgewise.nouns import Machine, Measurement

THIS = "this"


def machines(settings: Settings, *, bandwidth: bool) -> Mapping[str, Machine]:
    """The machine at hand and those of the catalogue, the user's own files included.

    Args:
        bandwidth: measure the memory bandwidth of the machine at hand, which takes a second.
    """
    return {THIS: probe.probe(bandwidth=bandwidth), **catalogue.machines(settings.catalogues)}


def machine(name: str, settings: Settings) -> Machine:
    """The machine called `name`.

    Raises:
        UnknownMachine: there is none; the hint offers the nearest names.
    """
    if name == THIS:
        return probe.probe()
    known = catalogue.machines(settings.catalogues)
    if name in known:
        return known[name]
    close = get_close_matches(name, [THIS, *known], n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(close)}?" if close else "all of them: edgewise get machines"
    raise UnknownMachine(f"there is no machine {name!r} in the catalogue", hint=hint)


def known_value(measurement: Measurement | None) -> str:
    """The figure, "-" where nobody publishes one."""
    return "-" if measurement is None else value(measurement.value, measurement.unit)
