"""Asking a core of the server, on an event loop of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgewise.edge.serve.contract import Core
from edgewise.edge.serve.faults import Fault
from edgewise.edge.serve.tensors import DATATYPES, Request, Response

T = TypeVar("T")
SECONDS = 60.0


def on_loop(work: Callable[[], Awaitable[T]]) -> T:
    """What `work` gives, on an event loop of its own."""

    async def bounded() -> T:
        async with asyncio.timeout(SECONDS):
            return await work()

    return asyncio.run(bounded())


def asked(model: str, inputs: Mapping[str, NDArray[Any]], **more: Any) -> Request:
    """A request with the datatypes of its arrays."""
    return Request(
        model=model, inputs=inputs, datatypes={name: DATATYPES[array.dtype] for name, array in inputs.items()}, **more
    )


async def answer(core: Core, request: Request) -> Response | Fault:
    """What becomes of `request`."""
    found: asyncio.Future[Response | Fault] = asyncio.get_running_loop().create_future()
    core.submit(request, lambda outcome: found.done() or found.set_result(outcome))
    return await found


def floats(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    """Seeded values."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
