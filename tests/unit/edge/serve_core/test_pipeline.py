"""Pipelines: Python steps and models in one folder, typed, verified, run."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgewise.edge.serve.core.opening import opened
from edgewise.edge.serve.faults import ModelFailed
from edgewise.edge.serve.tensors import Response
from edgewise.errors import BadModel, GoldenMissed, NotFound, WrongBytes
from edgewise.flow.pipeline import piped
from edgewise.nouns import RuntimeName, ServedModel
from edgewise.runtimes import served, step
from edgewise.store.steps import Store
from fakes import linear
from fakes.served import golden, linear_folder, written
from fakes.serving import answer, asked, on_loop

STEPS = """
from dataclasses import dataclass
from typing import Annotated

import numpy as np


@dataclass
class Scale:
    by: float = 0.5


def halve(pixels: Annotated[np.ndarray, "uint8[batch, 6]"]) -> Annotated[np.ndarray, "x: float32[batch, 6]"]:
    return pixels.astype(np.float32) * np.float32(Scale().by)


def best(
    scores: Annotated[np.ndarray, "float32[batch, 3]"],
) -> tuple[Annotated[np.ndarray, "label: int64[batch]"], Annotated[np.ndarray, "score: float32[batch]"]]:
    return scores.argmax(axis=1), scores.max(axis=1)


def picky(pixels: Annotated[np.ndarray, "uint8[batch, 6]"]) -> Annotated[np.ndarray, "x: float32[batch, 6]"]:
    if not pixels.any():
        raise ValueError("all is dark")
    return pixels.astype(np.float32)


def liar(pixels: Annotated[np.ndarray, "uint8[batch, 6]"]) -> Annotated[np.ndarray, "x: float32[batch, 6]"]:
    return pixels.astype(np.float64)


def three(y: Annotated[np.ndarray, "float32[batch, 9]"]) -> Annotated[np.ndarray, "float32[batch, 9]"]:
    return y


def both(*values):
    return values


def pair(
    y: Annotated[np.ndarray, "float32[batch, 3]"], z: Annotated[np.ndarray, "float32[batch, 3]"]
) -> Annotated[np.ndarray, "float32[batch, 3]"]:
    return y + z


def unsaid(y):
    return y
"""
PIXELS = np.random.default_rng(1).integers(0, 255, (9, linear.FEATURES)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An edge.yaml's folder with steps and a further model."""
    (tmp_path / "steps.py").write_text(STEPS)
    return tmp_path


def pipeline(folder: Path, *steps: str, runtime: RuntimeName = RuntimeName.ONNXRUNTIME) -> Path:
    """A model folder with the linear model among `steps`."""
    store = Store(folder / "store")
    place = linear_folder(folder / "model", runtime=runtime)
    model = piped(served.read((place / served.NAME).read_bytes()), steps, folder, store)
    for file in model.files:
        target = place / file.name
        target.parent.mkdir(exist_ok=True)
        if not target.exists():
            target.write_bytes(store.blobs.get(file.digest))
    return written(place, model)


def read(place: Path) -> ServedModel:
    return served.read((place / served.NAME).read_bytes())


async def answers(place: Path, *inputs: np.ndarray) -> list[object]:  # type: ignore[type-arg]
    core = opened([place])
    await core.start()
    found = await asyncio.gather(*(answer(core, asked("line", {"pixels": one})) for one in inputs))
    await core.stop()
    return list(found)


class TestRunning:
    def test_steps_and_model_run_one_after_the_other(self, folder: Path, runtime: RuntimeName) -> None:
        place = pipeline(folder, "steps.py:halve", "model", "steps.py:best", runtime=runtime)
        inputs = [PIXELS[i : i + 1 + i % 3] for i in range(7)]
        found = on_loop(lambda: answers(place, *inputs))
        for sent, got in zip(inputs, found, strict=True):
            assert isinstance(got, Response), got
            scores = linear.expected("dynamic", sent.astype(np.float32) / 2)
            assert [one[:2] for one in got.outputs] == [("label", "INT64"), ("score", "FP32")]
            np.testing.assert_array_equal(got.outputs[0][2], scores.argmax(axis=1))
            np.testing.assert_allclose(got.outputs[1][2], scores.max(axis=1), rtol=1e-4)

    def test_another_model_may_be_a_step(self, folder: Path) -> None:
        linear_folder(folder / "second", kind="dynamic")
        (folder / "back.py").write_text(
            STEPS + '\ndef wide(y: Annotated[np.ndarray, "float32[batch, 3]"])'
            ' -> Annotated[np.ndarray, "z: float32[batch, 6]"]:\n    return np.concatenate([y, y], axis=1)\n'
        )
        place = pipeline(folder, "steps.py:halve", "model", "back.py:wide", "second/model.json")
        assert [file.name for file in read(place).files] == [
            "dynamic.onnx", "steps.py", "back.py", "second/dynamic.onnx",
        ]  # fmt: skip
        (got,) = on_loop(lambda: answers(place, PIXELS))
        first = linear.expected("dynamic", PIXELS.astype(np.float32) / 2)
        assert isinstance(got, Response)
        wanted = linear.expected("dynamic", np.concatenate([first, first], axis=1))
        np.testing.assert_allclose(got.outputs[0][2], wanted, rtol=1e-3, atol=1e-3)

    def test_the_platform_is_pipeline_and_the_signature_the_outer_one(self, folder: Path) -> None:
        place = pipeline(folder, "steps.py:halve", "model", "steps.py:best")

        async def work() -> None:
            core = opened([place])
            await core.start()
            loaded = core.models.find("line")
            assert loaded is not None
            assert loaded.platform == "pipeline"
            assert [tensor.name for tensor in loaded.signature.inputs] == ["pixels"]
            assert [tensor.name for tensor in loaded.signature.outputs] == ["label", "score"]
            assert loaded.batch_limit >= 1
            await core.stop()

        on_loop(work)

    def test_a_step_that_fails_on_one_input_fails_that_request_only(self, folder: Path) -> None:
        place = pipeline(folder, "steps.py:picky", "model")
        dark = np.zeros((1, linear.FEATURES), np.uint8)
        found = on_loop(lambda: answers(place, PIXELS[:1], dark, PIXELS[1:2]))
        assert isinstance(found[1], ModelFailed)
        assert "all is dark" in found[1].message
        assert isinstance(found[0], Response)
        assert isinstance(found[2], Response)

    def test_a_step_that_gives_something_else_than_it_declares_is_told(self, folder: Path) -> None:
        place = pipeline(folder, "steps.py:liar", "model")
        (found,) = on_loop(lambda: answers(place, PIXELS))
        assert isinstance(found, ModelFailed)
        assert "gave float64[9, 6] for x and declares float32[batch, 6]" in found.message


class TestTrust:
    def test_the_models_golden_is_held(self, folder: Path) -> None:
        place = pipeline(folder, "steps.py:halve", "model")
        x = np.ones((2, linear.FEATURES), np.float32)
        wrong = golden(place, [x], [linear.expected("dynamic", x) + 1])
        written(place, replace(read(place), golden=wrong))
        with pytest.raises(GoldenMissed):
            on_loop(lambda: answers(place, PIXELS))

    def test_code_that_was_changed_is_not_run(self, folder: Path) -> None:
        place = pipeline(folder, "steps.py:halve", "model")
        (place / "steps.py").write_text("raise SystemExit\n" + STEPS)
        with pytest.raises(WrongBytes):
            on_loop(lambda: answers(place, PIXELS))

    def test_nothing_beside_the_file_is_imported_and_nothing_is_left_behind(self, folder: Path) -> None:
        (folder / "mean.py").write_text("import neighbour\n" + STEPS)
        (folder / "neighbour.py").write_text("")
        with pytest.raises(BadModel, match=r"mean\.py cannot be imported: ModuleNotFoundError"):
            pipeline(folder, "mean.py:halve", "model")
        before = set(sys.modules)
        step.imported(STEPS.encode(), "steps.py", "halve")
        assert not [name for name in set(sys.modules) - before if name.startswith("edgewise_step")]

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"run": "../evil.py:halve"}, "runs none of its files"),
            ({"run": "steps.py:not a name"}, "runs none of its files"),
            ({"takes": ("nothing",)}, "takes 'nothing', which no earlier step gives"),
            ({"gives": ()}, "names other values than it takes and gives"),
        ],
    )
    def test_a_document_that_does_not_hold_together_is_refused(
        self, folder: Path, change: dict[str, object], words: str
    ) -> None:
        model = read(pipeline(folder, "steps.py:halve", "model"))
        bad = replace(model, steps=(replace(model.steps[0], **change), *model.steps[1:]))  # type: ignore[arg-type]
        with pytest.raises(BadModel, match=words):
            served.read(served.written(bad))

    def test_written_and_read_are_each_others_reverse(self, folder: Path) -> None:
        model = read(pipeline(folder, "steps.py:halve", "model", "steps.py:best"))
        assert served.read(served.written(model)) == model
        alone = replace(model, steps=())
        assert b'"steps"' not in served.written(alone)
        assert served.read(served.written(alone)) == alone


class TestTypes:
    @pytest.mark.parametrize(
        ("steps", "error", "words"),
        [
            (("steps.py:unsaid", "model"), BadModel, "steps.py:unsaid does not say what y is"),
            (("steps.py:nowhere", "model"), BadModel, "has no function 'nowhere'"),
            (("absent.py:halve", "model"), NotFound, r"absent\.py cannot be read"),
            (("steps.py:both", "model"), BadModel, "must take each value as a parameter of its own"),
            (("steps.py:halve", "model", "steps.py:pair"), BadModel, "takes 'z', which no step before it gives"),
        ],
    )
    def test_a_step_that_cannot_be_is_said_when_it_is_built(
        self, folder: Path, steps: tuple[str, ...], error: type[Exception], words: str
    ) -> None:
        def build_and_load() -> None:
            place = pipeline(folder, *steps)
            on_loop(lambda: answers(place, PIXELS))

        with pytest.raises(error, match=words):
            build_and_load()

    def test_steps_that_do_not_fit_are_refused_when_they_are_loaded(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By the server too, where another than `flow` has made the folder."""
        monkeypatch.setattr("edgewise.flow.pipeline.check_types", lambda _: None)
        place = pipeline(folder, "steps.py:halve", "model", "steps.py:three")
        with pytest.raises(BadModel, match=r"takes float32\[batch, 9\], and y is float32\[batch, 3\]"):
            on_loop(lambda: answers(place, PIXELS))
