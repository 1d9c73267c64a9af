"""Accuracy as the target computes, without having the target.

`predict_without_vnni` answers as ONNX Runtime does on an x86 CPU whose int8 products saturate;
`predict_tflite_reference` as TFLite's integer kernels do, on microcontrollers too; `collapses` says what it costs.
"""

from edgewise.design.numerics._tflite_operators import Kernels
from edgewise.design.numerics.collapse import Collapse, Finding, collapses
from edgewise.design.numerics.tflite_reference import predict_tflite_reference
from edgewise.design.numerics.without_vnni import predict_without_vnni

__all__ = ["Collapse", "Finding", "Kernels", "collapses", "predict_tflite_reference", "predict_without_vnni"]
