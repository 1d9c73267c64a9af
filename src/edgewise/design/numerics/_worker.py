"""The child that emulates. The emulator runs parts of a model in ONNX Runtime, which may crash."""

from pathlib import Path

import onnx

from edgewise.design.numerics.tflite_reference import predict_tflite_reference
from edgewise.design.numerics.without_vnni import predict_without_vnni
from edgewise.runtimes.answer import serve
from edgewise.runtimes.samples import read_samples, write_arrays


def without_vnni(*, path: str, inputs: str, outputs: str, batched: bool, batch: int) -> None:
    """Answers of the ONNX file at `path` for `inputs`, to the .npz at `outputs`, an array an output, [n, …]."""
    samples = read_samples(Path(inputs), batched=batched, batch=batch)
    rows = batch if batched else 1
    write_arrays(Path(outputs), predict_without_vnni(onnx.load(path), samples, rows=rows))


def tflite_reference(*, path: str, inputs: str, outputs: str, batched: bool, batch: int) -> None:
    """Answers of the TFLite file at `path` for `inputs`, to the .npz at `outputs`, an array an output, [n, …]."""
    samples = read_samples(Path(inputs), batched=batched, batch=batch)
    rows = batch if batched else 1
    write_arrays(Path(outputs), predict_tflite_reference(Path(path).read_bytes(), samples, rows=rows))


def main() -> None:
    """Answer the parent until it closes our input."""
    serve({"without_vnni": without_vnni, "tflite_reference": tflite_reference})


if __name__ == "__main__":
    main()
