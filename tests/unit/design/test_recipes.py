"""What is proposed, what is refused, and that nothing is left out in silence."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.design.variants import recipes
from edgewise.design.variants._worker import METHODS
from edgewise.design.variants.recipes import GIVEN, Situation, may_saturate, propose
from edgewise.nouns import (
    Accelerator,
    AcceleratorKind,
    Design,
    Layer,
    Machine,
    Model,
    ModelFile,
    ModelFormat,
    RuntimeName,
    Signature,
    Stage,
)
from edgewise.runtimes.protocol import PACKAGES

ONNX, VINO, LITE = RuntimeName.ONNXRUNTIME, RuntimeName.OPENVINO, RuntimeName.LITERT
ALL = {ONNX: "1.23", VINO: "2026.0", LITE: "2.1"}

# What every plan must say something about, tried or refused: method and runtime.
ONNX_FAMILIES = {
    (GIVEN, ONNX), ("simplify", ONNX), ("half", ONNX), ("dynamic-int8", ONNX), ("static-int8", ONNX),
    ("mixed-int8", ONNX), ("openvino", VINO), ("nncf-int8", VINO), ("nncf-int8-controlled", VINO),
    ("tflite", LITE), ("tflite-int8", LITE),
}  # fmt: skip
TFLITE_FAMILIES = {
    (GIVEN, LITE), ("openvino", VINO), ("nncf-int8", VINO), ("nncf-int8-controlled", VINO), (GIVEN, ONNX)
}  # fmt: skip


def model(
    name: str = "net",
    model_format: ModelFormat = ModelFormat.ONNX,
    operators: Sequence[str] = ("Conv", "Gemm"),
    dtype: str = "float32",
) -> Model:
    return Model(
        name=name,
        format=model_format,
        files=(ModelFile(name=f"{name}.{model_format}", digest="sha256:" + "0" * 64, size_bytes=1),),
        opset=17,
        signature=Signature(inputs=(), outputs=()),
        layers=tuple(
            Layer(name=f"l{index}", operator=operator, output_shape=(1,), parameters=1, macs=1)
            for index, operator in enumerate(operators)
        ),
        parameters_by_dtype={dtype: 100},
    )


TFLITE = model(model_format=ModelFormat.TFLITE, operators=("CONV_2D",))
TFLITE_INT8 = replace(TFLITE, parameters_by_dtype={"int8": 100})


def machine(*isa: str, architecture: str = "x86_64") -> Machine:
    cpu = Accelerator(name="cpu", kind=AcceleratorKind.CPU, title="a CPU", dtypes=("float32",), isa=isa)
    return Machine(name="this", title="here", vendor="", architecture=architecture, accelerators=(cpu,))


def situation(
    given: Model | None = None,
    *further: Model,
    isa: Sequence[str] = ("avx2",),
    architecture: str = "x86_64",
    versions: dict[RuntimeName, str] = ALL,
    threads: Sequence[int] = (1, 2),
) -> Situation:
    return Situation(
        model=given or model(),
        further=further,
        machine=machine(*isa, architecture=architecture),
        versions=versions,
        threads=threads,
        tolerance=0.01,
        batched=True,
    )


def families(designs: Sequence[Design]) -> set[tuple[str, RuntimeName]]:
    return {(design.recipe.method, design.configuration.runtime) for design in designs}


def reason(designs: Sequence[Design], prefix: str) -> str:
    """The one refusal of all designs whose name starts with `prefix`."""
    (found,) = {design.failure for design in designs if design.name.startswith(prefix)}
    return found


SITUATIONS = {
    "onnx": (situation(), ONNX_FAMILIES, ONNX),
    "quantised onnx": (situation(model(operators=("QLinearConv",))), ONNX_FAMILIES, ONNX),
    "qdq onnx": (situation(model(operators=("QuantizeLinear", "Conv", "DequantizeLinear"))), ONNX_FAMILIES, ONNX),
    "onnx and tflite": (situation(model(), TFLITE_INT8), ONNX_FAMILIES, ONNX),
    "tflite": (situation(TFLITE), TFLITE_FAMILIES, LITE),
    "tflite int8": (situation(TFLITE_INT8), TFLITE_FAMILIES, LITE),
    "tflite and onnx": (situation(TFLITE, model()), TFLITE_FAMILIES, LITE),
    "no openvino": (situation(versions={ONNX: "1", LITE: "1"}), ONNX_FAMILIES, ONNX),
    "no onnxruntime": (situation(versions={VINO: "1"}), ONNX_FAMILIES, ONNX),
    "nothing installed": (situation(versions={}), ONNX_FAMILIES, ONNX),
    "bf16": (situation(isa=("avx2", "avx512_bf16")), ONNX_FAMILIES, ONNX),
    "aarch64": (situation(isa=("asimd",), architecture="aarch64"), ONNX_FAMILIES, ONNX),
    "aarch64 with fp16": (situation(isa=("asimd", "asimdhp"), architecture="aarch64"), ONNX_FAMILIES, ONNX),
}


@pytest.mark.parametrize("name", SITUATIONS)
class TestAlways:
    def test_the_reference_comes_first(self, name: str) -> None:
        where, _, runtime = SITUATIONS[name]
        first = propose(where)[0]
        assert first.recipe.method == GIVEN
        assert first.recipe.settings["source"] == 0
        assert first.configuration.runtime is runtime

    def test_every_family_is_tried_or_refused_with_a_reason(self, name: str) -> None:
        where, expected, _ = SITUATIONS[name]
        assert expected <= families(propose(where))

    def test_names_are_unique(self, name: str) -> None:
        names = [design.name for design in propose(SITUATIONS[name][0])]
        assert len(names) == len(set(names))

    def test_threads_multiply_only_what_is_tried(self, name: str) -> None:
        where = SITUATIONS[name][0]
        threads: dict[str, list[int]] = {}
        for design in propose(where):
            threads.setdefault(design.name.partition("@")[0], []).append(design.configuration.threads)
            assert design.name.endswith(f"@{design.configuration.threads}t")
        refused = {design.name.partition("@")[0] for design in propose(where) if design.failure}
        for cell, tried in threads.items():
            assert tried == ([1] if cell in refused else [1, 2])

    def test_what_makes_a_variant_is_known_to_the_builder(self, name: str) -> None:
        methods = {design.recipe.method for design in propose(SITUATIONS[name][0])}
        assert methods <= {GIVEN, *METHODS}

    def test_all_are_proposals_for_the_machine_at_hand(self, name: str) -> None:
        for design in propose(SITUATIONS[name][0]):
            assert (design.stage, design.variant, design.machine) == (Stage.PROPOSED, None, "this")


class TestRefusals:
    @pytest.mark.parametrize("runtime", list(PACKAGES))
    def test_a_runtime_that_is_missing_is_named_by_its_package(self, runtime: RuntimeName) -> None:
        where = situation(model(), TFLITE, versions={key: value for key, value in ALL.items() if key is not runtime})
        theirs = [design for design in propose(where) if design.configuration.runtime is runtime]
        assert theirs
        assert all(design.failure for design in theirs)
        assert f"{PACKAGES[runtime]} is not installed here" in {design.failure for design in theirs}

    @pytest.mark.parametrize("operator", ["QLinearConv", "QuantizeLinear", "DequantizeLinear"])
    def test_what_is_quantised_is_not_quantised_again(self, operator: str) -> None:
        designs = propose(situation(model(operators=(operator, "Conv"))))
        for design in designs:
            if "int8" in design.recipe.method:
                assert design.failure == "the model is quantised already"
        assert designs[0].recipe.precision == "int8"

    def test_a_quantised_tflite_is_not_quantised_by_nncf(self) -> None:
        designs = propose(situation(TFLITE_INT8))
        assert reason(designs, "openvino/int8-nncf-mixed") == "the model is quantised already"
        assert designs[0].recipe.precision == "int8"
        assert reason(propose(situation(TFLITE)), "openvino/int8-nncf-mixed") == ""

    def test_litert_is_not_given_what_is_quantised_in_onnx(self) -> None:
        quantised = propose(situation(model(operators=("QLinearConv",))))
        assert "quantised already" in reason(quantised, "litert/tflite-fp32@")
        assert reason(propose(situation()), "litert/tflite-fp32@") == ""

    def test_onnx_runtime_asks_for_an_onnx_only_where_there_is_none(self) -> None:
        assert "add the model's .onnx" in reason(propose(situation(TFLITE)), "onnxruntime/given@")
        assert not any("add the model's .onnx" in design.failure for design in propose(situation(TFLITE, model())))

    def test_recipes_for_an_onnx_that_is_not_the_first_file_are_refused_with_what_to_do(self) -> None:
        assert "name the .onnx first" in reason(propose(situation(TFLITE, model())), "onnxruntime/int8")

    @pytest.mark.parametrize(
        ("isa", "option", "refused"),
        [
            ((), "bf16", True),
            (("avx512_bf16",), "bf16", False),
            (("amx_bf16",), "bf16", False),
            (("amx_bf16", "amx_fp16"), "bf16", False),
            (("amx_fp16",), "f16", False),
            (("asimdhp",), "f16", False),
        ],
    )
    def test_openvino_computes_in_half_precision_where_the_cpu_can(
        self, isa: tuple[str, ...], option: str, refused: bool
    ) -> None:
        designs = propose(situation(isa=isa))
        assert bool(reason(designs, f"openvino/fp16-weights+{option}")) is refused

    @pytest.mark.parametrize(("isa", "refused"), [(("avx2", "avx512_bf16"), True), (("asimdhp",), False)])
    def test_onnx_runtime_does_where_it_has_kernels(self, isa: tuple[str, ...], refused: bool) -> None:
        assert bool(reason(propose(situation(isa=isa)), "onnxruntime/fp16@")) is refused


class TestFurtherFiles:
    def test_each_runs_in_its_own_runtime_and_names_its_source(self) -> None:
        other = model("smaller", ModelFormat.TFLITE)
        designs = propose(situation(model(), TFLITE_INT8, other))
        theirs = {d.recipe.name: d for d in designs if d.configuration.runtime is LITE and d.recipe.method == GIVEN}
        assert {name: d.recipe.settings["source"] for name, d in theirs.items()} == {"given-net": 1, "given-smaller": 2}
        assert theirs["given-net"].recipe.precision == "int8"
        assert theirs["given-smaller"].recipe.precision == "fp32"

    def test_two_of_one_name_stay_apart(self) -> None:
        names = [design.name for design in propose(situation(model(), TFLITE, TFLITE_INT8))]
        assert len(names) == len(set(names))
        assert {"litert/given-net-1@1t", "litert/given-net-2@1t"} <= set(names)


class TestSaturation:
    def saturating(self, architecture: str) -> set[str]:
        where = situation(architecture=architecture, threads=(1,))
        return {design.name for design in propose(where) if may_saturate(design, where.machine)}

    def test_on_x86_only_full_range_int8_without_the_precise_option_may(self) -> None:
        assert self.saturating("x86_64") == {"onnxruntime/int8-u8s8-minmax@1t", "onnxruntime/int8-s8s8-minmax@1t"}

    def test_elsewhere_nothing_may(self) -> None:
        assert self.saturating("aarch64") == set()


@given(
    given_model=st.sampled_from([model(), TFLITE, TFLITE_INT8, model(operators=("QLinearConv",))]),
    further=st.lists(st.sampled_from([model(), TFLITE, TFLITE_INT8, model("b")]), max_size=3),
    isa=st.sets(st.sampled_from(["avx2", "avx512_bf16", "amx_fp16", "asimdhp"])),
    installed=st.sets(st.sampled_from(list(PACKAGES))),
    threads=st.lists(st.integers(1, 8), min_size=1, max_size=4),
)
@settings(max_examples=100)
def test_names_are_unique_whatever_the_situation(
    given_model: Model, further: list[Model], isa: set[str], installed: set[RuntimeName], threads: list[int]
) -> None:
    where = situation(given_model, *further, isa=sorted(isa), versions=dict.fromkeys(installed, "1"), threads=threads)
    designs = propose(where)
    names = [design.name for design in designs]
    assert len(names) == len(set(names))
    assert all(design.failure or design.configuration.runtime in installed for design in designs)
    assert designs == propose(where)


def test_accuracy_controlled_recipes_aim_at_the_tolerance() -> None:
    controlled = [d for d in propose(situation()) if d.recipe.precision == "mixed"]
    assert len({d.recipe.name for d in controlled}) == 2
    assert all(d.recipe.settings["tolerance"] == 0.01 and d.recipe.settings["batched"] is True for d in controlled)


def test_attention_makes_nncf_treat_the_model_as_a_transformer() -> None:
    def transformer(*operators: str) -> set[object]:
        designs = propose(situation(model(operators=operators)))
        return {d.recipe.settings["transformer"] for d in designs if d.recipe.method == "nncf-int8"}

    assert transformer("Softmax", "LayerNormalization", "MatMul") == {True}
    assert transformer("Conv", "Softmax") == {False}


def test_every_method_of_the_builder_is_proposed_somewhere() -> None:
    proposed = {design.recipe.method for where, _, _ in SITUATIONS.values() for design in propose(where)}
    assert set(METHODS) <= proposed
    assert recipes.GIVEN not in METHODS
