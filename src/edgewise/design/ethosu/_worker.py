"""The child that compiles. A damaged model makes Vela's native code crash; here it takes down only itself."""

from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edgewise.design.ethosu._report import document_of
from edgewise.runtimes.answer import serve

PACKAGE = "ethos-u-vela"


class _Vela:
    def __init__(self) -> None:
        self._regor = import_module("ethosu.regor")
        self._ini = (Path(self._regor.__file__ or "").parent / "config_files" / "Arm" / "vela.ini").read_text()
        self._tool = f"{PACKAGE} {version(PACKAGE)}"
        self._model = b""

    def read(self, *, source: str) -> str:
        """Take the model that all further commands are about; Arm's description of systems and memory modes."""
        self._model = Path(source).read_bytes()
        return self._ini

    def compile(self, *, title: str, system: str, options: str, target: str) -> dict[str, Any]:
        """What the compiler says; the compiled model goes to `target` unless that is ""."""
        model = self._regor.compile(title, self._model, "TFLITE", system, options=options, verbose=False)
        if target:
            Path(target).write_bytes(model.model)
        return document_of(model, self._tool)


def main() -> None:
    """Answer the parent until it closes our input."""
    vela = _Vela()
    serve({"read": vela.read, "compile": vela.compile})


if __name__ == "__main__":
    main()
