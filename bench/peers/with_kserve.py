"""KServe's Python server with ONNX Runtime: python with_kserve.py NAME MODEL HTTP_PORT GRPC_PORT, in its own Python."""

import sys

import onnxruntime as ort
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer

NAME, PATH, HTTP, GRPC = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])


class Onnx(Model):
    """One session, one thread."""

    def load(self) -> bool:
        """Once, before it serves."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(PATH, options, providers=["CPUExecutionProvider"])
        self.ready = True
        return True

    async def predict(self, payload: InferRequest, *_: object, **__: object) -> object:
        """As KServe calls it: binary where binary is asked for."""
        (y,) = self.session.run(None, {"x": payload.inputs[0].as_numpy()})
        output = InferOutput(name="y", shape=list(y.shape), datatype="FP32")
        binary = (
            payload.from_grpc
            or payload.use_binary_outputs
            or bool(payload.request_outputs and payload.request_outputs[0].binary_data)
        )
        output.set_data_from_numpy(y, binary_data=binary)
        return InferResponse(
            response_id=payload.id or "",
            model_name=self.name,
            infer_outputs=[output],
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )


model = Onnx(NAME)
model.load()
ModelServer(http_port=HTTP, grpc_port=GRPC, workers=1, access_log_format=None).start([model])
