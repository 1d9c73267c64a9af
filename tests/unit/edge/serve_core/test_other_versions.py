"""Whether a model runs by the version of a runtime that was measured."""

from dataclasses import replace
from pathlib import Path

from edgewise.edge.serve.models.loaded import other_versions
from edgewise.nouns import RuntimeConfiguration, RuntimeName, ServedModel, ServedStep
from edgewise.runtimes import protocol, served
from fakes.served import linear_folder

HERE = {RuntimeName.ONNXRUNTIME: "1.32.0", RuntimeName.LITERT: "2.3.0", RuntimeName.OPENVINO: ""}


def model(folder: Path, runtime: RuntimeName, version: str) -> ServedModel:
    place = linear_folder(folder, configuration=configured(runtime, version))
    return served.read((place / served.NAME).read_bytes())


def configured(runtime: RuntimeName, version: str) -> RuntimeConfiguration:
    return RuntimeConfiguration(runtime=runtime, version=version, threads=1)


def test_only_another_version_is_worth_a_word(tmp_path: Path) -> None:
    of = lambda runtime, version: other_versions(model(tmp_path, runtime, version), HERE.__getitem__)  # noqa: E731
    assert of(RuntimeName.ONNXRUNTIME, "1.32.0") == ""
    assert of(RuntimeName.ONNXRUNTIME, "") == ""
    assert of(RuntimeName.OPENVINO, "2026.4.1") == ""
    assert of(RuntimeName.ONNXRUNTIME, "1.31.0") == "it runs by onnxruntime 1.32.0, measured was onnxruntime 1.31.0"


def test_every_model_of_a_pipeline_is_looked_at_and_each_is_told_once(tmp_path: Path) -> None:
    whole = model(tmp_path, RuntimeName.ONNXRUNTIME, "1.32.0")
    runs = [configured(RuntimeName.LITERT, "2.2.0"), None, configured(RuntimeName.LITERT, "2.2.0")]
    runs.append(configured(RuntimeName.ONNXRUNTIME, "1.30.0"))
    steps = tuple(ServedStep(run="m", signature=whole.signature, takes=(), gives=(), configuration=one) for one in runs)
    assert other_versions(replace(whole, steps=steps), HERE.__getitem__) == (
        "it runs by litert 2.3.0, measured was litert 2.2.0; onnxruntime 1.32.0, measured was onnxruntime 1.30.0"
    )


def test_a_runtime_that_was_imported_says_the_version_that_is_installed(runtime: RuntimeName) -> None:
    protocol.loader(runtime)
    assert protocol.version_in_use(runtime) == protocol.versions()[runtime]
