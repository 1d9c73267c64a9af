"""Releases and what nodes make of them, in the words of the exchange."""

from dataclasses import replace

from edgewise.build.nodes.describe import Wish, describe
from edgewise.build.nodes.description import NodeKind, Workload
from edgewise.exchange.release import Allowance, Part, PartKind, Release, Strategy

SERVER = f"sha256:{'a' * 64}"
MODEL = f"sha256:{'b' * 64}"
MODEL_JSON = f"sha256:{'c' * 64}"
RELEASE = f"sha256:{'d' * 64}"
MEMORY_BYTES = 100 << 20


def release(strategy: Strategy = Strategy.MODELCAR, **changes: object) -> Release:
    kind = PartKind.MODEL if strategy is Strategy.EXTERNAL else PartKind.IMAGE
    model = Part(name="model", kind=kind, digest=MODEL, size_bytes=3 << 20, source="registry.example:5000/plant/model")
    server = Part(
        name="inference",
        kind=PartKind.IMAGE,
        digest=SERVER,
        size_bytes=30 << 20,
        source="registry.example:5000/plant/edgewise-onnxruntime",
    )
    made = Release(
        site="press-line",
        version="meter-reader 7",
        strategy=strategy,
        parts=(server,) if strategy is Strategy.EMBEDDED else (server, model),
        model_name="meter-reader",
        model_version="1",
        model_digest=MODEL_JSON,
        allowance=Allowance(memory_bytes=MEMORY_BYTES),
        settings={"OMP_NUM_THREADS": "1"},
    )
    return replace(made, **changes)


def workload(
    strategy: Strategy = Strategy.MODELCAR,
    node: NodeKind = NodeKind.DEVICE,
    wish: Wish | None = None,
    **changes: object,
) -> Workload:
    return replace(describe(release(strategy), RELEASE, node, wish or Wish(cpus=1.0)), **changes)
