"""From a model's outputs to the answer of one request (pure)."""

from collections.abc import Sequence

from edgewise.edge.serve.contract import Loaded
from edgewise.edge.serve.core.check import answered
from edgewise.edge.serve.tensors import Request, Response
from edgewise.runtimes.samples import Array


def response(request: Request, loaded: Loaded, outputs: Sequence[Array]) -> Response:
    """The answer to `request`: the outputs that it asked for, in its order, else all in the model's."""
    named = [
        (tensor.name, answered(array, tensor), array)
        for tensor, array in zip(loaded.signature.outputs, outputs, strict=True)
    ]
    if request.outputs:
        by_name = {one[0]: one for one in named}
        named = [by_name[name] for name in request.outputs]
    return Response(model=loaded.name, version=loaded.version, id=request.id, outputs=tuple(named))
