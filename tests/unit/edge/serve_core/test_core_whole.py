"""The core with real runtimes: a model folder in, answers out."""

import asyncio
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edgewise.edge.serve.core.opening import opened
from edgewise.edge.serve.core.plane import Plane
from edgewise.edge.serve.core.settings import Settings
from edgewise.edge.serve.faults import BadRequest, DeadlineExceeded, Fault, NotReady, UnknownModel
from edgewise.edge.serve.models.folder import Folder
from edgewise.edge.serve.models.loaded import LoadedModel
from edgewise.edge.serve.tensors import Response
from edgewise.nouns import RuntimeName
from fakes import linear
from fakes.served import linear_folder
from fakes.serving import answer, asked, floats, on_loop


@pytest.mark.parametrize("kind", ["dynamic", "four", "plain"])
def test_every_runtime_answers_what_the_function_gives(runtime: RuntimeName, kind: linear.Kind, tmp_path: Path) -> None:
    linear_folder(tmp_path, runtime=runtime, kind=kind)
    shape = {"dynamic": (3, linear.FEATURES), "four": (4, linear.FEATURES), "plain": (linear.FEATURES,)}[kind]

    async def work() -> None:
        core = opened([tmp_path])
        await core.start()
        assert core.ready
        x = [floats(*shape, seed=seed) for seed in range(8)]
        found = await asyncio.gather(*(answer(core, asked("line", {"x": one}, id=str(i))) for i, one in enumerate(x)))
        for i, one in enumerate(found):
            assert isinstance(one, Response), one
            assert (one.model, one.version, one.id) == ("line", "1", str(i))
            ((name, datatype, y),) = one.outputs
            assert (name, datatype) == ("y", "FP32")
            np.testing.assert_allclose(y, linear.expected(kind, x[i]), rtol=1e-4, atol=1e-5)
        await core.stop()
        assert isinstance(await answer(core, asked("line", {"x": x[0]})), NotReady)

    on_loop(work)


@pytest.mark.parametrize(
    ("inputs", "fault", "words"),
    [
        ({"x": floats(3, 5)}, BadRequest, r"takes the shape \[batch, 6\], and got \[3, 5\]"),
        ({"x": floats(3, 6).astype(np.float64)}, BadRequest, "takes FP32, and got FP64"),
        ({"z": floats(3, 6)}, BadRequest, "takes the inputs x, and got z"),
        ({}, BadRequest, "takes the inputs x, and got none"),
        ({"x": floats(0, 6)}, BadRequest, "without any value"),
    ],
)
def test_what_does_not_fit_the_model_is_said(
    inputs: dict[str, linear.Floats], fault: type[Fault], words: str, tmp_path: Path
) -> None:
    linear_folder(tmp_path)

    async def work() -> None:
        core = opened([tmp_path])
        await core.start()
        found = await answer(core, asked("line", inputs))
        assert isinstance(found, fault)
        with pytest.raises(fault, match=words):
            raise found
        unknown = await answer(core, asked("circle", inputs))
        assert isinstance(unknown, UnknownModel)
        assert "there is no model 'circle'; there is line" in unknown.message
        await core.stop()

    on_loop(work)


def test_inputs_of_unequal_rows_never_reach_a_batch() -> None:
    from edgewise.edge.serve.core.check import Check
    from edgewise.nouns import Signature, Tensor

    both = tuple(Tensor(name=name, dtype="float32", shape=(f"rows_{name}", 2)) for name in "ab")
    signature = Signature(inputs=both, outputs=both[:1])
    request = asked("m", {"a": floats(2, 2), "b": floats(3, 2)})
    assert [len(array) for array in Check(signature).inputs(request)] == [2, 3]
    with pytest.raises(BadRequest, match="equally many rows, and have 2, 3"):
        Check(signature, even=True).inputs(request)


def test_a_deadline_that_passes_while_the_model_is_loaded_is_told(tmp_path: Path) -> None:
    linear_folder(tmp_path)

    async def work() -> None:
        core = Plane([tmp_path], settings=Settings(lazy=True))
        await core.start()
        go = threading.Event()
        whole = core.models._load

        def load(folder: Folder) -> LoadedModel:
            assert go.wait(30)
            return whole(folder)

        core.models._load = load
        found = await answer(core, asked("line", {"x": floats(1, 6)}, deadline_s=time.monotonic() + 0.05))
        assert isinstance(found, DeadlineExceeded)
        go.set()
        assert isinstance(await answer(core, asked("line", {"x": floats(1, 6)})), Response)
        await core.stop()

    on_loop(work)
