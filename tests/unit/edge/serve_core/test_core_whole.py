"""The core with real runtimes: a model folder in, answers out."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from edgewise.edge.serve.core.opening import opened
from edgewise.edge.serve.faults import BadRequest, Fault, NotReady, UnknownModel
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
