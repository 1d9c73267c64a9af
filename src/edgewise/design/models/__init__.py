"""Reading models: what was given to us, described without running it.

`read` looks at content, not at the suffix, and never loads a model into a runtime: native code that a
broken file can crash belongs into the runtimes' child processes. Whatever does not load is a
`BadModel` with one sentence and what to do about it.

MACs are counted per inference with the batch axis (the first axis of an input, where it is dynamic) at
1; only multiply-accumulates of convolutions, matrix products and recurrent cells count. Elementwise
arithmetic, pooling and normalisation count as 0, as is usual in the literature.
"""

from pathlib import Path

from edgewise.design.models import _onnx, _tflite
from edgewise.design.models._content import describe_file, format_of, load
from edgewise.nouns import Model, ModelFormat

__all__ = ["read"]


def read(path: Path) -> Model:
    """Describe the model file at `path`: signature, layers, parameters, MACs and digests.

    Raises:
        NotFound: there is no such file.
        BadModel: it is not a model in a format that is supported, or it is damaged.
    """
    content = load(path)
    file = describe_file(path.name, content)
    if format_of(content, path) is ModelFormat.TFLITE:
        return _tflite.describe(content, path.stem, file)
    return _onnx.describe(content, path, file)
