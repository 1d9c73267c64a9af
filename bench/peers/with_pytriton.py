"""Triton as nvidia-pytriton runs it, through its Python backend, its dynamic batcher on:
python with_pytriton.py NAME MODEL HTTP_PORT GRPC_PORT, in its environment.

This says nothing about Triton with its own ONNX Runtime backend, of which there is no wheel.
"""

import os
import sys
import sysconfig

import numpy as np
import onnxruntime as ort
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

NAME, PATH, HTTP, GRPC = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

# Triton's stub must load the libpython of this Python, not another one of the system's.
os.environ["LD_LIBRARY_PATH"] = f"{sysconfig.get_config_var('LIBDIR')}:{os.environ.get('LD_LIBRARY_PATH', '')}"

options = ort.SessionOptions()
options.intra_op_num_threads = 1
session = ort.InferenceSession(PATH, options, providers=["CPUExecutionProvider"])


@batch
def infer(x: np.ndarray) -> list:
    return session.run(None, {"x": x})


config = TritonConfig(
    http_address="127.0.0.1", http_port=HTTP, grpc_address="127.0.0.1", grpc_port=GRPC, allow_metrics=False
)
with Triton(config=config) as triton:
    triton.bind(
        model_name=NAME,
        infer_func=infer,
        inputs=[Tensor(name="x", dtype=np.float32, shape=tuple(session.get_inputs()[0].shape[1:]))],
        outputs=[Tensor(name="y", dtype=np.float32, shape=tuple(session.get_outputs()[0].shape[1:]))],
        config=ModelConfig(max_batch_size=32),
    )
    triton.serve()
