"""The layers of named networks, one CSV file per network, one row per layer in the order in which they run.

Operators have the names of TFLite's schema; batch normalisation and activations are folded into the layer before
them, as every compiler does. Pure but for reading the files.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgewise import units
from edgewise.documents import Fault
from edgewise.hardware.calibration._table import Line, Table, read_folder, refuse
from edgewise.nouns import Convolution, Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network that publications name, with what its layers ask of a machine at batch 1."""

    name: str
    layers: tuple[Layer, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(layer.macs or 0 for layer in self.layers)

    @property
    def parameters(self) -> int:
        """Elements that are stored: weights, biases, constants."""
        return sum(layer.parameters for layer in self.layers)


LAYER_HEADS = ("name", "operator", "output_shape", "macs", "parameters", "read_elements", "written_elements")
CONVOLUTION_HEADS = (
    "input_height",
    "input_width",
    "input_channels",
    "output_height",
    "output_width",
    "output_channels",
    "kernel_height",
    "kernel_width",
    "stride_height",
    "stride_width",
    "groups",
)
HEADS = (*LAYER_HEADS, *CONVOLUTION_HEADS)

_NAME = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")
_COUNT = re.compile(r"[0-9]{1,15}")
_OPERATOR = re.compile(r"[A-Za-z][A-Za-z0-9_:]*")
_SHAPE = re.compile(r"[1-9][0-9]{0,8}(?:x[1-9][0-9]{0,8})*")
_HINT = f"the heads are {','.join(HEADS)}; the format is in docs/reference/calibration.md"


def read(folder: Path) -> Mapping[str, Network]:
    """The networks of `folder` by name, which is the file's name without its suffix.

    Raises:
        BadDocument: with every fault of every file.
        NotFound: a file cannot be read.
    """
    faults: list[Fault] = []
    found: dict[str, Network] = {}
    for table in read_folder(folder, faults):
        name = table.path.stem
        if not _NAME.fullmatch(name):
            faults.append(table.fault(1, "", "a file's name is lower-case letters, digits, dots and hyphens"))
        elif table.heads != HEADS:
            faults.append(table.fault(table.head_line, "", f"found the heads {units.quoted(','.join(table.heads))}"))
        elif not table.lines:
            faults.append(table.fault(table.head_line, "", "there are no layers"))
        else:
            layers = [_layer(table, line, faults) for line in table.lines]
            found[name] = Network(name=name, layers=tuple(layer for layer in layers if layer is not None))
    refuse(folder, faults, hint=_HINT)
    return found


def _layer(table: Table, line: Line, faults: list[Fault]) -> Layer | None:
    cells = dict(zip(HEADS, line.cells, strict=True))
    shaped = any(cells[head] for head in CONVOLUTION_HEADS)
    counts = [*LAYER_HEADS[3:], *(CONVOLUTION_HEADS if shaped else ())]
    bad = [(head, "a whole number") for head in counts if not _COUNT.fullmatch(cells[head])]
    bad += [(head, "1 or more") for head in CONVOLUTION_HEADS if shaped and not cells[head].strip("0")]
    if not _OPERATOR.fullmatch(cells["operator"]):
        bad.append(("operator", "an operator's name such as CONV_2D"))
    if not _SHAPE.fullmatch(cells["output_shape"]):
        bad.append(("output_shape", "a shape such as 1x112x112x32"))
    for head, allowed in bad:
        faults.append(table.fault(line.number, head, f"found {units.quoted(cells[head])}; allowed is {allowed}"))
    if bad:
        return None
    convolution = Convolution(**{head: int(cells[head]) for head in CONVOLUTION_HEADS}) if shaped else None
    macs = int(cells["macs"])
    if convolution is not None and convolution.macs != macs:
        problem = f"found {macs}; the convolution's own sizes make {convolution.macs}"
        faults.append(table.fault(line.number, "macs", problem))
    return Layer(
        name=cells["name"],
        operator=cells["operator"],
        output_shape=tuple(int(size) for size in cells["output_shape"].split("x")),
        parameters=int(cells["parameters"]),
        macs=macs,
        read_elements=int(cells["read_elements"]),
        written_elements=int(cells["written_elements"]),
        convolution=convolution,
    )
