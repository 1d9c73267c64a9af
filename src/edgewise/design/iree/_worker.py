"""The child that compiles. The compiler crashes on some operators; here it takes down only itself.

IREE writes its diagnostics to standard error, at length: they go to a file, of which the parent reads the beginning
even when the child is gone.
"""

import contextlib
import os
import resource
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import onnx
import onnx.utils

from edgewise.design.iree.diagnosis import MARK, label
from edgewise.runtimes.answer import serve

LEAST_OPSET = 17
"""What IREE's importer is made for; older models are taken there by ONNX's own converter, where it can."""


def compile_(
    *, source: str, folder: str, flags: Sequence[str], memory_bytes: int, node: int | None = None
) -> dict[str, Any]:
    """Compile the ONNX file `source`; {"size_bytes"} of the module, None where the compiler refuses.

    What the importer refuses is {"refusal", "where"}; any other exception says nothing about the model.

    Args:
        folder: for the imported module and `diagnostics.txt`.
        memory_bytes: what this process may allocate from now on.
        node: compile this node alone, an index that `operators` gave.
    """
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    imported = Path(folder) / "model.mlirbc"
    with _diagnostics(Path(folder) / "diagnostics.txt"):
        model = _prepared(Path(source))
        refused = (import_module("iree.compiler.ir").MLIRError, _importer().OnnxImportError)
        try:
            _import(model if node is None else _alone(model, node), imported)
        except refused as error:
            return {"refusal": str(error), "where": _where(error)}
        return {"size_bytes": _compiled_bytes(imported, flags)}


def operators(*, source: str) -> list[dict[str, Any]]:
    """One node of each operator of the main graph, the rarest first: {"index", "label"}."""
    nodes = _prepared(Path(source)).graph.node
    count = Counter(node.op_type for node in nodes)
    first = {node.op_type: index for index, node in reversed(list(enumerate(nodes)))}
    rare = sorted(first, key=lambda operator: count[operator])
    return [{"index": first[operator], "label": nodes[first[operator]].name} for operator in rare]


def _alone(model: onnx.ModelProto, index: int) -> onnx.ModelProto:
    node = model.graph.node[index]
    stored = {initializer.name for initializer in model.graph.initializer}
    inputs = dict.fromkeys(name for name in node.input if name and name not in stored)
    return onnx.utils.Extractor(model).extract_model(list(inputs), [name for name in node.output if name])


def _prepared(source: Path) -> onnx.ModelProto:
    """A copy with labelled nodes, an opset that the importer knows, and all shapes that can be inferred."""
    model = onnx.load(source)
    _label(model.graph)
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), LEAST_OPSET)
    if opset < LEAST_OPSET:
        try:
            model = onnx.version_converter.convert_version(model, LEAST_OPSET)
            _label(model.graph)
        except Exception:  # the converter raises what it likes; the importer may take the older opset all the same
            traceback.print_exc()
    return onnx.shape_inference.infer_shapes(model, data_prop=True)


def _label(graph: onnx.GraphProto) -> None:
    for node in graph.node:
        if not node.name.startswith(MARK):
            node.name = label(node.op_type, node.name or next(iter(node.output), ""), node.domain)
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                _label(inner)


def _import(model: onnx.ModelProto, target: Path) -> None:
    """Write `model` as MLIR bytecode, which keeps the labels; what `iree-import-onnx` does, but text does not."""
    importer = _importer()
    information = importer.ModelInfo(model)
    module = information.create_module(context=import_module("iree.compiler.ir").Context()).operation
    importer.NodeImporter.define_function(information.main_graph, module).import_all()
    module.verify()
    with target.open("wb") as file:
        module.write_bytecode(file)


def _where(error: Exception) -> str:
    """Label of the node, or name of the stored tensor, at which the importer raised `error`; "" where at neither."""
    found = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        for entry in frame.f_locals.values():
            if isinstance(entry, onnx.NodeProto):
                found = entry.name
            elif isinstance(entry, onnx.TensorProto) and not found.startswith(MARK):
                found = f"tensor {entry.name}"
    return found


def _importer() -> Any:
    return import_module("iree.compiler.extras.onnx_importer")


def _compiled_bytes(imported: Path, flags: Sequence[str]) -> int | None:
    api = import_module("iree.compiler.api")
    session = api.Session()
    session.set_flags(*flags)
    invocation = session.invocation()
    invocation.enable_console_diagnostics()
    if not invocation.parse_source(api.Source.open_file(session, str(imported))) or not invocation.execute():
        return None
    output = api.Output.open_membuffer()
    invocation.output_vm_bytecode(output)
    return memoryview(output.map_memory()).nbytes


@contextlib.contextmanager
def _diagnostics(path: Path) -> Iterator[None]:
    """Standard error goes to `path`."""
    usual = os.dup(2)
    with path.open("wb") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(usual, 2)
        os.close(usual)


def main() -> None:
    """Answer the parent until it closes our input."""
    serve({"compile": compile_, "operators": operators})


if __name__ == "__main__":
    main()
