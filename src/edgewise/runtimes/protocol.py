"""What every runtime can do, and which runtimes there are.

A runtime is one file beside this one with a function `load`; it is imported only where it is used, so
that a device pays for the one it has. What the designer measures through `Session.run` is what serving
runs.
"""

import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgewise.errors import MissingDependency
from edgewise.runtimes.samples import Array
from edgewise.served_nouns import ModelFormat, RuntimeName


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """What one inference looks like, so that dynamic axes can be fixed while loading.

    Attributes:
        shapes: concrete shape of every input, in the model's order.
        axes: size of every dynamic axis by its name in the model's file, as far as axes have names.
    """

    shapes: Sequence[tuple[int, ...]]
    axes: Mapping[str, int]


class NotText(ValueError):
    """An element of a text input that is not UTF-8; says which."""


class Session(Protocol):
    """A loaded model, ready to run."""

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Outputs for `inputs`, both in the model's own order.

        Args:
            inputs: C-contiguous arrays of the shapes that the session was loaded with, in the dtypes of
                the model as given (a quantised model's own conversions happen inside). Text is an object array of
                bytes in UTF-8, or of str.

        Returns:
            Arrays that belong to the caller until the next call.

        Raises:
            NotText: text is not UTF-8.
        """


class Load(Protocol):
    """How a runtime's file makes a Session."""

    def __call__(self, path: Path, *, threads: int, options: Mapping[str, str], fixed: Fixed) -> Session:
        """Load the model in `path`; raises whatever the runtime raises."""


PACKAGES: Mapping[RuntimeName, str] = {
    RuntimeName.ONNXRUNTIME: "onnxruntime",
    RuntimeName.OPENVINO: "openvino",
    RuntimeName.LITERT: "ai-edge-litert",
}

FORMATS: Mapping[RuntimeName, tuple[ModelFormat, ...]] = {
    RuntimeName.ONNXRUNTIME: (ModelFormat.ONNX,),
    RuntimeName.OPENVINO: (ModelFormat.OPENVINO, ModelFormat.ONNX, ModelFormat.TFLITE),
    RuntimeName.LITERT: (ModelFormat.TFLITE,),
}


def versions() -> dict[RuntimeName, str]:
    """The runtimes that are installed here, with their versions; nothing is imported for it."""
    import importlib.metadata as installed  # noqa: PLC0415 - 2 MB that a server need not pay for

    found = {}
    for runtime, package in PACKAGES.items():
        try:
            found[runtime] = installed.version(package)
        except installed.PackageNotFoundError:
            continue
    return found


def version_in_use(runtime: RuntimeName) -> str:
    """The version of `runtime` as the package that was imported says it; "" where none was."""
    module = sys.modules.get(PACKAGES[runtime].replace("-", "_"))
    return str(getattr(module, "__version__", "")).partition("-")[0]


def loader(runtime: RuntimeName) -> Load:
    """The `load` of `runtime`, importing it now.

    Raises:
        MissingDependency: the runtime's package is not installed, or it is none that can run here.
    """
    if runtime not in PACKAGES:
        raise MissingDependency(f"{runtime} does not run here", hint=f"{', '.join(PACKAGES)} do")
    try:
        module = importlib.import_module(f"edgewise.runtimes.{runtime.value}")
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"{runtime} needs the package {PACKAGES[runtime]}", hint=f"pip install 'edgewise[{runtime}]'"
        ) from error
    load: Load = module.load
    return load
