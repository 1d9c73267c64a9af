"""MLServer with ONNX Runtime, without its pool of workers, which costs it more than it gains for models this small:
python with_mlserver.py NAME MODEL HTTP_PORT GRPC_PORT, in its environment.
"""

import asyncio
import sys

import onnxruntime as ort
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver.utils import install_uvloop_event_loop

NAME, PATH, HTTP, GRPC = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])


class Onnx(MLModel):
    """One session, one thread."""

    async def load(self) -> bool:
        """Once, before it serves."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(PATH, options, providers=["CPUExecutionProvider"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """As MLServer calls it, over REST and gRPC."""
        (y,) = self.session.run(None, {"x": NumpyCodec.decode_input(payload.inputs[0])})
        return InferenceResponse(
            id=payload.id, model_name=self.name, model_version="1", outputs=[NumpyCodec.encode_output("y", y)]
        )


async def main() -> None:
    settings = Settings(
        host="127.0.0.1", http_port=HTTP, grpc_port=GRPC, metrics_endpoint=None, parallel_workers=0, debug=False
    )
    await MLServer(settings).start([ModelSettings(name=NAME, implementation=Onnx)])


install_uvloop_event_loop()
asyncio.run(main())
