"""What a measured or estimated design waits for, and the one move that helps most. Pure.

How the time of a layer splits into arithmetic, memory and overhead is read off a roofline fitted on published rows;
where the design was measured, only the shares are taken from it, never the time. What a move brings is read off the
other designs of the plan; where none is faster, it is what the shares leave: what does not wait cannot be waited for.
"""

from collections.abc import Mapping, Sequence

from edgewise.design import words
from edgewise.design.estimate import Estimated, LayerEstimate
from edgewise.design.judge import obstacles
from edgewise.nouns import Advice, Bottleneck, Design, Quantity, Stage, Verdict

WORTH = 1.05
"""A move that speeds up by less is not worth a sentence."""
PLACES = {
    Bottleneck.MACS: "multiply-accumulates",
    Bottleneck.MEMORY: "memory",
    Bottleneck.OVERHEAD: "starting operators",
    Bottleneck.FALLBACK: "operators that fall back to the CPU",
}


def advise(design: Design, found: Estimated, verdicts: Sequence[Verdict]) -> Advice:
    """What binds `design`, by the layers of `found`, and the move that helps most among `verdicts`."""
    shares = split(found.layers, found.call_ms)
    binds = max(shares, key=lambda each: shares[each])
    share = shares[binds]
    sentence = f"about {share:.0%} of its time goes into {PLACES[binds]}" + _heaviest(found.layers, binds)
    move, speedup = _faster(design, verdicts)
    if not move:
        move, speedup = _otherwise(binds, share, design, found)
    return Advice(design=design.name, binds=binds, share=share, binds_sentence=sentence, move=move, speedup=speedup)


def split(layers: Sequence[LayerEstimate], call_ms: float) -> Mapping[Bottleneck, float]:
    """Shares of the time, adding up to 1."""
    spent = dict.fromkeys((Bottleneck.MACS, Bottleneck.MEMORY, Bottleneck.OVERHEAD, Bottleneck.FALLBACK), 0.0)
    spent[Bottleneck.OVERHEAD] = call_ms
    for layer in layers:
        if not layer.on_accelerator:
            spent[Bottleneck.FALLBACK] += layer.time_ms
            continue
        overhead = min(layer.overhead_ms, layer.time_ms)
        work = layer.compute_ms + layer.memory_ms
        arithmetic = layer.compute_ms / work if work else 0.0
        if layer.bound == "compute" and layer.time_ms - overhead <= layer.compute_ms:
            arithmetic = 1.0  # memory is fetched meanwhile
        elif layer.bound == "memory" and layer.time_ms - overhead <= layer.memory_ms:
            arithmetic = 0.0
        spent[Bottleneck.OVERHEAD] += overhead
        spent[Bottleneck.MACS] += (layer.time_ms - overhead) * arithmetic
        spent[Bottleneck.MEMORY] += (layer.time_ms - overhead) * (1 - arithmetic)
    whole = sum(spent.values()) or 1.0
    return {binds: time_ms / whole for binds, time_ms in spent.items()}


def _heaviest(layers: Sequence[LayerEstimate], binds: Bottleneck) -> str:
    """The operator that takes most of it, where one stands out."""
    bound = {Bottleneck.MACS: "compute", Bottleneck.MEMORY: "memory", Bottleneck.FALLBACK: "fallback"}.get(binds)
    times: dict[str, float] = {}
    for layer in layers:
        if layer.bound == bound:
            times[layer.operator] = times.get(layer.operator, 0.0) + layer.time_ms
    if not times:
        return ""
    return f", most of all {max(times, key=lambda operator: times[operator])}"


def _faster(design: Design, verdicts: Sequence[Verdict]) -> tuple[str, float]:
    """The fastest other design on the same machine, what it differs in, and what stands against it."""
    own = design.figures[Quantity.LATENCY_P50]
    others = [
        verdict
        for verdict in verdicts
        if verdict.design.machine == design.machine
        and verdict.design.stage is Stage.TIMED
        and not verdict.design.failure
        and not verdict.design.figures[Quantity.LATENCY_P50].overlaps(own)
    ]
    if not others:
        return "", 1.0
    best = min(others, key=lambda verdict: verdict.design.figures[Quantity.LATENCY_P50].value)
    speedup = own.value / best.design.figures[Quantity.LATENCY_P50].value
    if speedup < WORTH:
        return "", 1.0
    against = obstacles(best)
    but = f", but {against[0].sentence}" if against else ""
    return f"{best.design.name} is {words.times(speedup)} as fast{but}", speedup


def _otherwise(binds: Bottleneck, share: float, design: Design, found: Estimated) -> tuple[str, float]:
    """What is left to try where nothing in the plan is faster; the speed-up is the most that it could bring."""
    most = 1 / (1 - share) if share < 1 else 1.0
    limit = f"at most {words.times(most)} as fast" if most > 1 else "nothing else takes time"
    match binds:
        case Bottleneck.FALLBACK:
            names = sorted({layer.operator for layer in found.layers if not layer.on_accelerator})
            return f"export the model without {', '.join(names[:3])}: {limit}", most
        case Bottleneck.OVERHEAD:
            return f"fewer, larger operators, or several inputs in one call: {limit}", most
        case Bottleneck.MEMORY if design.recipe.precision == "fp32":
            return f"smaller numbers (fp16 or int8) move fewer bytes: {limit}", most
        case _:
            return "a narrower or shallower model is what is left (model.train in edge.yaml)", 1.0
