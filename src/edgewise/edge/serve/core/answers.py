"""From a model's outputs to the answer of one request (pure)."""

from collections.abc import Sequence

import numpy as np

from edgewise.edge.serve.contract import Loaded
from edgewise.edge.serve.core.check import answered, datatype
from edgewise.edge.serve.tensors import Request, Response
from edgewise.runtimes.samples import Array


class Answers:
    """Answers of one loaded model: what can be said of its outputs before there are any is worked out once."""

    def __init__(self, loaded: Loaded) -> None:
        self._model, self._version = loaded.name, loaded.version
        self._outputs = [
            (tensor.name, tensor, datatype(tensor), None if datatype(tensor) == "BYTES" else np.dtype(tensor.dtype))
            for tensor in loaded.signature.outputs
        ]

    def response(self, request: Request, outputs: Sequence[Array]) -> Response:
        """The answer to `request`: the outputs that it asked for, in its order, else all in the model's."""
        named = [
            (name, kind if array.dtype is dtype else answered(array, tensor), array)
            for (name, tensor, kind, dtype), array in zip(self._outputs, outputs, strict=True)
        ]
        wanted = request.outputs
        if wanted and (len(wanted) > 1 or len(named) > 1):
            by_name = {one[0]: one for one in named}
            named = [by_name[name] for name in wanted]
        return Response(model=self._model, version=self._version, id=request.id, outputs=tuple(named))
