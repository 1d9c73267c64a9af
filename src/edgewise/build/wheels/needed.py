"""What an image needs of a runtime, and what of its wheels stays out, each with the reason.

Dependencies are declared here and pip is told to add none (`--no-deps`): it evaluates environment markers for the
machine that it runs on, not for the target, and wheels name what their tools need beside what inference needs
(ONNX Runtime: protobuf, flatbuffers and packaging, none of which is imported by an inference).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import translate

from edgewise.errors import BadImage


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """What one runtime brings into an image.

    Attributes:
        requirements: of pip, resolved without their own dependencies.
        imports: modules that must be importable for an inference.
        left_out: patterns of paths in the wheels ("*" matches "/" too).
        forbidden: distributions that have no business in an image of this runtime.
    """

    requirements: tuple[str, ...]
    imports: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()


EVERYWHERE = (
    "*/tests/*",  # 40 % of numpy's files
    "*.pyi",  # types, for people
    "*.pxd",  # headers for compilers
    "*.h",
    "*.a",
    "*.pyc",  # not the interpreter's of the image
)
NUMPY = (
    "numpy/f2py/*",  # builds Fortran modules
    "numpy/distutils/*",
    "numpy/_core/_*_tests.*",  # extensions that only the tests load
    "numpy/_pyinstaller/*",
    "numpy/conftest.py",
    "numpy/doc/*",
)
ONNXRUNTIME = (
    "onnxruntime/capi/libonnxruntime.so*",  # for C programs; the Python extension holds its own copy and never maps it
    "onnxruntime/transformers/*",  # conversion and quantisation of models, done before an image is built
    "onnxruntime/quantization/*",
    "onnxruntime/tools/*",
    "onnxruntime/datasets/*",
    "onnxruntime/backend/*",
)
LITERT = (
    "ai_edge_litert/libLiteRtWebGpuAccelerator.so",  # needs a GPU's drivers, which no base here has
    "ai_edge_litert/vendors/*",  # compilers for phones' NPUs
    "ai_edge_litert/tools/*",
    "ai_edge_litert/aot/*",  # compiles ahead of time, before an image is built
)
OPENVINO = (
    "openvino/libs/libopenvino_intel_gpu_plugin.so",  # need Intel's GPU and NPU drivers, which no base here has
    "openvino/libs/libopenvino_intel_npu*",
    "openvino/libs/cache.json",  # kernels of the GPU plugin
    "openvino/libs/libopenvino_tensorflow_frontend.so*",  # read formats that are no model's of ours
    "openvino/libs/libopenvino_pytorch_frontend.so*",
    "openvino/libs/libopenvino_paddle_frontend.so*",
    "openvino/libs/libopenvino_jax_frontend.so*",
    "openvino/libs/libopenvino_c.so*",  # for C programs
    "openvino/tools/*",
    "openvino/include/*",
    "openvino/cmake/*",
)
NEEDED = {
    "onnxruntime": Needed(
        requirements=("onnxruntime", "numpy"),
        imports=("numpy", "onnxruntime"),
        left_out=(*EVERYWHERE, *NUMPY, *ONNXRUNTIME),
        forbidden=("openvino", "ai-edge-litert"),
    ),
    "litert": Needed(
        requirements=("ai-edge-litert", "numpy"),
        imports=("numpy", "ai_edge_litert.interpreter"),
        left_out=(*EVERYWHERE, *NUMPY, *LITERT),
        forbidden=("openvino", "onnxruntime"),
    ),
    "openvino": Needed(
        requirements=("openvino", "numpy"),
        imports=("numpy", "openvino"),
        left_out=(*EVERYWHERE, *NUMPY, *OPENVINO),
        forbidden=("onnxruntime", "ai-edge-litert"),
    ),
}


def needed(runtime: str) -> Needed:
    """What an image of `runtime` needs.

    Raises:
        BadImage: no image can be made with it.
    """
    if runtime not in NEEDED:
        raise BadImage(f"no image can be made with the runtime {runtime!r}", hint=f"one of {', '.join(NEEDED)}")
    return NEEDED[runtime]


class Filter:
    """Says which paths stay out. A filter of no pattern leaves all in."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._any = re.compile("|".join(map(translate, patterns)) or r"(?!)")

    def leaves_out(self, path: str) -> bool:
        """True where one of the patterns matches the whole of `path`."""
        return self._any.match(path) is not None
