"""Every sensible combination of recipe and runtime for a model, and for the others why not.

Pure. What is proposed here is tried; what cannot be tried is returned all the same, with its reason, so
that nothing is left out silently.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from edgewise.nouns import (
    Design,
    Machine,
    Model,
    ModelFormat,
    Recipe,
    Rejection,
    RuntimeConfiguration,
    RuntimeName,
    Stage,
)
from edgewise.runtimes.protocol import FORMATS, PACKAGES

CALIBRATIONS = ("minmax", "entropy", "percentile")
SATURATION = (
    "with weights over the full 8 bits, x86 CPUs with AVX2 and no VNNI add pairs of products in 16 bits, which"
    " saturates and can destroy the predictions"
)
QUANTISED_OPERATORS = frozenset({"QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "QUANTIZE"})

PLAIN = ("f32",)
"""Values of options that a name need not say."""

GIVEN = "given"
ORIGINAL, SIMPLIFIED = "original", "simplified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What decides which recipes make sense.

    Attributes:
        model: the reference.
        further: the same model in other formats, as given by the user.
        versions: installed runtimes.
        threads: thread counts to try.
        tolerance: drop of the metric that recipes with accuracy control aim at.
        batched: whether outputs have a batch axis.
    """

    model: Model
    further: Sequence[Model]
    machine: Machine
    versions: Mapping[RuntimeName, str]
    threads: Sequence[int]
    tolerance: float
    batched: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Idea:
    recipe: Recipe
    runtime: RuntimeName
    options: Mapping[str, str]
    refusal: str = ""


def propose(situation: Situation) -> tuple[Design, ...]:
    """All designs for the situation's machine, reference first; refused ones carry their reason as `failure`."""
    ideas = list(_ideas(situation))
    designs = []
    for idea in ideas:
        installed = situation.versions.get(idea.runtime)
        refusal = idea.refusal
        if installed is None and not refusal:
            refusal = f"{PACKAGES[idea.runtime]} is not installed here"
        for threads in situation.threads[:1] if refusal else dict.fromkeys(situation.threads):
            configuration = RuntimeConfiguration(
                runtime=idea.runtime, version=installed or "", threads=threads, options=idea.options
            )
            designs.append(
                Design(
                    name=name(idea.recipe, configuration),
                    machine=situation.machine.name,
                    recipe=idea.recipe,
                    configuration=configuration,
                    stage=Stage.PROPOSED,
                    failure=refusal,
                    rejection=Rejection.NOT_APPLICABLE if refusal else None,
                )
            )
    return tuple(designs)


def name(recipe: Recipe, configuration: RuntimeConfiguration) -> str:
    """Name of a design: `runtime/recipe+option@threads`."""
    shown = sorted((key, value) for key, value in configuration.options.items() if value not in PLAIN)
    options = "".join(f"+{key if value == '1' else value}" for key, value in shown)
    return f"{configuration.runtime}/{recipe.name}{options}@{configuration.threads}t"


def may_saturate(design: Design, machine: Machine) -> bool:
    """True where the arithmetic depends on the CPU: full-range int8 in ONNX Runtime on x86."""
    return (
        machine.architecture in ("x86_64", "amd64")
        and design.configuration.runtime is RuntimeName.ONNXRUNTIME
        and design.recipe.precision in ("int8", "mixed")
        and not design.recipe.settings.get("reduced", False)
        and design.recipe.method != GIVEN
        and design.configuration.options.get("precise_int8") != "1"
    )


def _ideas(situation: Situation) -> Iterator[_Idea]:
    model = situation.model
    quantised = any(layer.operator in QUANTISED_OPERATORS for layer in model.layers)
    given = _given(model, GIVEN, quantised=quantised)
    if model.format is ModelFormat.ONNX:
        yield _Idea(recipe=given, runtime=RuntimeName.ONNXRUNTIME, options={})
        yield from _onnxruntime(situation, quantised=quantised)
        yield from _openvino(situation, quantised=quantised)
        yield from _litert("the model is quantised already" if quantised else "")
    else:
        yield _Idea(recipe=given, runtime=RuntimeName.LITERT, options={})
        yield from _openvino(situation, quantised=quantised)
        reason = "ONNX Runtime runs ONNX only; add the model's .onnx to model.file if you have one"
        if any(other.format is ModelFormat.ONNX for other in situation.further):
            given = _static("u8", CALIBRATIONS[0], reduced=True)
            reason = "variants are made of the first file of model.file; name the .onnx first to have them tried"
        yield _Idea(recipe=given, runtime=RuntimeName.ONNXRUNTIME, options={}, refusal=reason)
    names = [other.name for other in situation.further]
    for index, other in enumerate(situation.further, start=1):
        shown = other.name if names.count(other.name) == 1 else f"{other.name}-{index}"
        for runtime in _natives(other.format):
            options = {"precision": "f32"} if runtime is RuntimeName.OPENVINO else {}
            recipe = replace(
                _given(other, f"{GIVEN}-{shown}", quantised=is_quantised(other)), settings={"source": index}
            )
            yield _Idea(recipe=recipe, runtime=runtime, options=options)


def is_quantised(model: Model) -> bool:
    """True where most of its weights, or its operators, are 8-bit integers already."""
    return any(layer.operator in QUANTISED_OPERATORS for layer in model.layers) or any(
        dtype in ("int8", "uint8") and count * 2 > model.parameters
        for dtype, count in model.parameters_by_dtype.items()
    )


def _natives(model_format: ModelFormat) -> list[RuntimeName]:
    """Runtimes whose own format this is."""
    return [runtime for runtime, formats in FORMATS.items() if formats[0] is model_format]


def _given(model: Model, recipe_name: str, *, quantised: bool) -> Recipe:
    precision = "int8" if quantised or is_quantised(model) else "fp32"
    return Recipe(name=recipe_name, method=GIVEN, format=model.format, precision=precision, settings={"source": 0})


def _onnx(recipe_name: str, method: str, precision: str, **settings: str | bool | float) -> Recipe:
    return Recipe(
        name=recipe_name,
        method=method,
        format=ModelFormat.ONNX,
        precision=precision,
        settings={"source": SIMPLIFIED} | settings,
    )


def _static(activations: str, calibration: str, *, reduced: bool = False) -> Recipe:
    middle = f"{activations}s8" + ("-reduced" if reduced else "")
    return _onnx(
        f"int8-{middle}-{calibration}",
        "static-int8",
        "int8",
        activations=activations,
        calibration=calibration,
        reduced=reduced,
        per_channel=True,
    )


def _onnxruntime(situation: Situation, *, quantised: bool) -> Iterator[_Idea]:
    runtime = RuntimeName.ONNXRUNTIME
    simplified = ("simplified", "int8") if quantised else ("fp32-simplified", "fp32")
    yield _Idea(
        recipe=replace(_onnx(simplified[0], "simplify", simplified[1]), settings={"source": ORIGINAL}),
        runtime=runtime,
        options={},
    )
    native_half = "asimdhp" in situation.machine.cpu.isa
    yield _Idea(
        recipe=_onnx("fp16", "half", "fp16"),
        runtime=runtime,
        options={},
        refusal=""
        if native_half
        else "this CPU has no kernels for fp16 in ONNX Runtime, which would convert to fp32 and back around every node",
    )
    refusal = "the model is quantised already" if quantised else ""
    recipes = [
        _onnx("int8-dynamic", "dynamic-int8", "int8", reduced=True, per_channel=False),
        *(_static("u8", calibration, reduced=True) for calibration in CALIBRATIONS),
    ]
    for recipe in recipes:
        yield _Idea(recipe=recipe, runtime=runtime, options={}, refusal=refusal)
    for activations in ("u8", "s8"):
        yield _Idea(recipe=_static(activations, "minmax"), runtime=runtime, options={}, refusal=refusal)
        for calibration in CALIBRATIONS:
            recipe = _static(activations, calibration)
            yield _Idea(recipe=recipe, runtime=runtime, options={"precise_int8": "1"}, refusal=refusal)
    mixed = _static("u8", "minmax", reduced=True)
    settings = dict(mixed.settings) | {"tolerance": situation.tolerance, "batched": situation.batched}
    yield _Idea(
        recipe=replace(mixed, name="mixed-u8s8-reduced", method="mixed-int8", precision="mixed", settings=settings),
        runtime=runtime,
        options={},
        refusal=refusal,
    )


def _litert(refusal: str) -> Iterator[_Idea]:
    """What LiteRT can be given of an ONNX model: TFLite files of our own making.

    Inputs and outputs stay float32: LiteRT converts them faster than we could outside.
    """
    fp32 = Recipe(
        name="tflite-fp32", method="tflite", format=ModelFormat.TFLITE, precision="fp32", settings={"source": ORIGINAL}
    )
    yield _Idea(recipe=fp32, runtime=RuntimeName.LITERT, options={}, refusal=refusal)
    for calibration in ("minmax", "percentile"):
        settings = {"source": ORIGINAL, "calibration": calibration, "io": "float32"}
        int8 = replace(
            fp32, name=f"tflite-int8-{calibration}", method="tflite-int8", precision="int8", settings=settings
        )
        yield _Idea(recipe=int8, runtime=RuntimeName.LITERT, options={}, refusal=refusal)


def _ir(recipe_name: str, method: str, precision: str, **settings: str | bool | float) -> Recipe:
    return Recipe(
        name=recipe_name,
        method=method,
        format=ModelFormat.OPENVINO,
        precision=precision,
        settings={"source": ORIGINAL} | settings,
    )


def _openvino(situation: Situation, *, quantised: bool) -> Iterator[_Idea]:
    runtime, isa = RuntimeName.OPENVINO, situation.machine.cpu.isa
    exact = {"precision": "f32"}
    quantised = quantised or is_quantised(situation.model)
    refusal = "the model is quantised already" if quantised else ""
    has_bf16, has_fp16 = ("avx512_bf16" in isa or "amx_bf16" in isa), ("asimdhp" in isa or "amx_fp16" in isa)
    half = "f16" if has_fp16 and not has_bf16 else "bf16"
    no_half = refusal or ("" if has_bf16 or has_fp16 else "this CPU computes neither bf16 nor fp16")
    plain = (
        _ir("converted", "openvino", "int8", half=False) if quantised else _ir("fp32", "openvino", "fp32", half=False)
    )
    yield _Idea(recipe=plain, runtime=runtime, options=exact)
    light = _ir("fp16-weights", "openvino", "fp32", half=True)
    yield _Idea(recipe=light, runtime=runtime, options=exact, refusal=refusal)
    fast = replace(light, precision="fp16")
    yield _Idea(recipe=fast, runtime=runtime, options={"precision": half}, refusal=no_half)
    operators = {layer.operator for layer in situation.model.layers}
    transformer = bool(operators & {"Softmax", "SOFTMAX"}) and bool(
        operators & {"LayerNormalization", "Erf", "Gelu", "BATCH_MATMUL"}
    )
    for preset, ranges in (("performance", "mean"), ("mixed", "mean"), ("performance", "minmax")):
        ending = preset if ranges == "mean" else ranges
        recipe = _ir(
            f"int8-nncf-{ending}", "nncf-int8", "int8", preset=preset, calibration=ranges, transformer=transformer
        )
        yield _Idea(recipe=recipe, runtime=runtime, options=exact, refusal=refusal)
    controlled = _ir(
        "mixed-nncf-controlled",
        "nncf-int8-controlled",
        "mixed",
        preset="mixed",
        calibration="mean",
        transformer=transformer,
        tolerance=situation.tolerance,
        batched=situation.batched,
    )
    yield _Idea(recipe=controlled, runtime=runtime, options=exact, refusal=refusal)
