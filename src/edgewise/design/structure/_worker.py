"""The child that runs train.py: what it declares, and one call of its `build` or `fit`.

User code may do anything: here it can crash, hang or print, and takes down only itself. Random numbers of
Python and numpy start from the seed before each call, so that the same structure gives the same model.
"""

import importlib.util
import os
import random
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from edgewise.runtimes.answer import serve

MODULE = "_edgewise_train"


def _imported(path: Path) -> ModuleType:
    sys.path.insert(0, str(path.parent))
    os.chdir(path.parent)
    spec = importlib.util.spec_from_file_location(MODULE, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module  # dataclasses and pickle look there
    spec.loader.exec_module(module)
    return module


def declared(*, path: str) -> dict[str, Any]:
    """What train.py says about itself: ranges, functions, its own modules and the files it names in FILES."""
    file = Path(path)
    module = _imported(file)
    return {
        "ranges": _ranges(getattr(module, "STRUCTURE", None)),
        "functions": [name for name in ("fit", "build") if callable(getattr(module, name, None))],
        "modules": _own_modules(file),
        "files": [str(name) for name in getattr(module, "FILES", ())],
    }


def call(*, path: str, function: str, structure: dict[str, Any], seed: int) -> dict[str, str]:
    """The path of the model that `function` of train.py makes of `structure`."""
    random.seed(seed)
    np.random.seed(seed)  # what user code that asks for no seed of its own draws from
    made = getattr(_imported(Path(path)), function)(structure)
    if not isinstance(made, str | os.PathLike):
        raise TypeError(f"{function} returned {type(made).__name__}, not the path of an ONNX file")
    model = Path(made).resolve()
    if not model.is_file():
        raise ValueError(f"{function} returned {model.name}, and there is no such file")
    return {"model": str(model)}


def _ranges(given: object) -> Any:
    """STRUCTURE as JSON; tuples and ranges told from lists."""
    return {name: _range(content) for name, content in given.items()} if isinstance(given, Mapping) else None


def _range(content: object) -> Any:
    if isinstance(content, range):
        return {"range": [content[0], content[-1]]} if content.step == 1 and content else {"choices": list(content)}
    if isinstance(content, tuple):
        return {"range": [_plain(part) for part in content]}
    if isinstance(content, list):
        return {"choices": [_plain(part) for part in content]}
    return repr(content)


def _plain(value: object) -> object:
    """A numpy scalar as Python's; what JSON cannot hold as its text in a list, which no range accepts."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and not np.isfinite(value):
        return [repr(value)]
    return value if isinstance(value, str | int | float) else [repr(value)]


def _own_modules(path: Path) -> list[str]:
    """train.py and the modules it imported from its own folder, relative to it."""
    folder = path.parent.resolve()
    found = {path.name}
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if not file or not Path(file).resolve().is_relative_to(folder):
            continue
        relative = Path(file).resolve().relative_to(folder)
        if not any(part.startswith(".") or part in ("site-packages", "venv") for part in relative.parts):
            found.add(str(relative))
    return sorted(found)


def main() -> None:
    """Answer the parent until it closes our input."""
    serve({"declared": declared, "call": call})


if __name__ == "__main__":
    main()
