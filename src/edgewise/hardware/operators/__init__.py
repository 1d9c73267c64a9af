"""Which operators a vendor's compiler takes, as the vendor publishes it.

The tables are YAML files beside this module, one per compiler and kind of accelerator; the format is described in
docs/reference/calibration.md. A table is no compiler: what it has not falls back, what it has with a condition may.
"""

from collections.abc import Mapping
from functools import cache
from importlib import resources

from edgewise.documents import load
from edgewise.hardware.operators._document import Limits, OperatorTable, TableDocument, to_table
from edgewise.nouns import Accelerator, AcceleratorKind

__all__ = ["Limits", "OperatorTable", "find", "tables"]


@cache
def tables() -> Mapping[str, OperatorTable]:
    """All tables by name."""
    with resources.as_file(resources.files(__name__)) as folder:
        documents = [load(path, TableDocument, what="operator table") for path in sorted(folder.glob("*.yaml"))]
    return {document.name: to_table(document) for document in documents}


def find(accelerator: Accelerator | str) -> OperatorTable | None:
    """The table of what compiles for `accelerator`; None where its vendor publishes none that could be read.

    Args:
        accelerator: an entry of the catalogue, by its compilers, its kind and the page that it names; or, for rows of
            machines that the catalogue lacks, the name of an accelerator ("edge-tpu").
    """
    if isinstance(accelerator, str):
        return next((table for table in tables().values() if accelerator in table.accelerators), None)
    if accelerator.kind is AcceleratorKind.CPU:
        return None
    return next((table for table in tables().values() if _is_of(table, accelerator)), None)


def _is_of(table: OperatorTable, accelerator: Accelerator) -> bool:
    """A page that the catalogue names must be one of the table's: vitis-ai compiles for a DPU and for XDNA alike."""
    compiles = set(table.compilers) & set(accelerator.compilers)
    named = not accelerator.operators or accelerator.operators in table.pages
    return bool(compiles) and accelerator.kind in table.kinds and named
