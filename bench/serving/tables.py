"""From rounds to tables: medians, spread, ratios within a round, targets and predictions beside what came out.

Predictions are what single runs of throwaway prototypes said before the server was written (docs/adr/0018).
"""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from serving.load import Burst, Overload
from serving.servers import PEER_TABLE

MIB = 1 << 20
Key = tuple[str, str, str, int]
"""Subject, contender, kind of way, clients."""

OWN_KIND = {"plain": "json"}
"""What a peer's own JSON is compared with."""
TITLES = {one.name: one.title for one in PEER_TABLE}


@dataclass(slots=True, kw_only=True)
class Found:
    """Everything that was measured, a value a round.

    Attributes:
        cold_s, rss_bytes: by subject and contender.
        failed: why a contender is missing.
        alone_us: of the model with one row and no server.
    """

    bursts: dict[Key, list[Burst]] = field(default_factory=dict)
    cold_s: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    rss_bytes: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    alone_us: dict[str, float] = field(default_factory=dict)
    overloads: dict[str, list[Overload]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Ours over a peer's: the median of the rounds' ratios, and the least and the greatest of them."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{_short(self.median)} ({_short(self.low)} to {_short(self.high)})"


def ratio(
    found: Found, subject: str, peer: str, kind: str, clients: int, what: Callable[[Burst], float]
) -> Ratio | None:
    """Ours over that of `peer`, both asked in the same way, round by round; None where one is missing."""
    own = OWN_KIND.get(kind, kind)
    ours = found.bursts.get((subject, "edgewise-grpc" if own == "grpc" else "edgewise", own, clients))
    theirs = found.bursts.get((subject, peer, kind, clients))
    if not ours or not theirs:
        return None
    ratios = [what(mine) / what(other) for mine, other in zip(ours, theirs, strict=False)]
    return Ratio(median=statistics.median(ratios), low=min(ratios), high=max(ratios))


def servers(found: Found) -> list[list[str]]:
    """A line for each server, way and number of clients."""
    rows = [
        ["model", "server", "asked by", "clients", "answers/s", "spread", "p50 ms", "p99 ms", "CPU us", "Edgewise is"]
    ]
    for (subject, name, kind, clients), bursts in sorted(found.bursts.items(), key=_order):
        rates = [one.per_s for one in bursts]
        times = ratio(found, subject, name, kind, clients, lambda one: one.per_s)
        rows.append(
            [
                subject, TITLES.get(name, name.replace("edgewise", "Edgewise")), kind, str(clients),
                f"{statistics.median(rates):,.0f}", f"{min(rates):,.0f} to {max(rates):,.0f}",
                _middle(one.p50_ms for one in bursts), _middle(one.p99_ms for one in bursts),
                _middle(one.cpu_us for one in bursts),
                f"{times} times" if times and not name.startswith("edgewise") else "",
            ]
        )  # fmt: skip
    return rows


def at_rest(found: Found) -> list[list[str]]:
    """Memory and start-up."""
    rows = [["model", "server", "RSS at rest, MiB", "cold start, s", "spread, s"]]
    for (subject, name), seconds in sorted(found.cold_s.items()):
        memory = statistics.median(found.rss_bytes[subject, name]) / MIB
        title = TITLES.get(name, name.replace("edgewise", "Edgewise"))
        rows.append(
            [
                subject,
                title,
                f"{memory:.0f}",
                f"{statistics.median(seconds):.2f}",
                f"{min(seconds):.2f} to {max(seconds):.2f}",
            ]
        )
    return rows


def targets(found: Found) -> list[list[str]]:
    """What was aimed at, what was predicted, and what came out."""
    rows = [["what", "target", "predicted", "outcome", "met"]]
    for name, subject, peer, kind, least, predicted in _THROUGHPUT:
        times = ratio(found, subject, peer, kind, 8, lambda one: one.per_s)
        judged = _judged(times and times.median, str(times), least=least)
        rows.append([name, f"at least {least:g} times", predicted, *judged])
    rows += _latency(found)
    rows += _own(found)
    rows += _overloaded(found)
    return rows


_THROUGHPUT = (
    ("answers/s at 8 clients, MLP, KServe, REST binary", "mlp", "kserve", "binary", 10.0, "23"),
    ("the same, REST JSON", "mlp", "kserve", "json", 10.0, "38"),
    ("the same, MLServer, REST JSON", "mlp", "mlserver", "json", 10.0, "12"),
    ("the same, KServe, gRPC", "mlp", "kserve", "grpc", 4.0, "4.4"),
    ("the same, Triton by PyTriton, REST binary", "mlp", "pytriton", "binary", 10.0, "22"),
    ("the same, Triton by PyTriton, REST JSON", "mlp", "pytriton", "json", 10.0, "13"),
    ("the same, Triton by PyTriton, gRPC", "mlp", "pytriton", "grpc", 10.0, "7"),
    ("answers/s at 8 clients, CNN, KServe, REST binary", "cnn", "kserve", "binary", 3.0, "9.5"),
    ("the same, MLServer, REST JSON", "cnn", "mlserver", "json", 3.0, ""),
    ("the same, Triton by PyTriton, REST binary", "cnn", "pytriton", "binary", 3.0, "3.9"),
)


def _latency(found: Found) -> list[list[str]]:
    """One client's p50 beside that of the quickest peer, of those asked in the same way."""
    rows = []
    for subject, kind in (("mlp", "binary"), ("mlp", "json"), ("mlp", "grpc"), ("cnn", "binary")):
        peers = [
            (statistics.median(one.p50_ms for one in bursts), name, peer_kind)
            for (of, name, peer_kind, clients), bursts in found.bursts.items()
            if of == subject and clients == 1 and OWN_KIND.get(peer_kind, peer_kind) == kind and name in TITLES
        ]
        if peers:
            _, name, peer_kind = min(peers)
            times = ratio(found, subject, name, peer_kind, 1, lambda one: one.p50_ms)
            what = f"p50 with one client, {subject.upper()}, {kind}, over {TITLES[name]}'s, the best"
            rows.append([what, "at most 0.3", "", *_judged(times and times.median, str(times), most=0.3)])
    return rows


def _own(found: Found) -> list[list[str]]:
    rows = []
    for clients, most, predicted in ((1, 80.0, "125"), (8, 40.0, "53")):
        bursts = found.bursts.get(("mlp", "edgewise", "binary", clients))
        if bursts:
            # With eight clients the model's own time is shared by a batch; what is beyond it counts one row's share.
            own = found.alone_us["mlp"] if clients == 1 else found.alone_us["mlp of 8"] / 8
            beyond = statistics.median(one.cpu_us for one in bursts) - own
            what = f"CPU a request beyond the model's {own:.0f} us, MLP, REST binary, clients: {clients}"
            rows.append(
                [what, f"at most {most:.0f} us", f"{predicted} us", *_judged(beyond, f"{beyond:.0f} us", most=most)]
            )
    for name, title, most, predicted in (
        ("edgewise", "ONNX Runtime", 70.0, "64 MiB"), ("edgewise-litert", "LiteRT", 50.0, ""),
    ):  # fmt: skip
        if ("mlp", name) in found.rss_bytes:
            memory = statistics.median(found.rss_bytes["mlp", name]) / MIB
            rows.append(
                [
                    f"RSS at rest, MLP, {title}",
                    f"at most {most:.0f} MiB",
                    predicted,
                    *_judged(memory, f"{memory:.0f} MiB", most=most),
                ]
            )
    if ("mlp", "edgewise") in found.cold_s:
        cold_s = statistics.median(found.cold_s["mlp", "edgewise"])
        rows.append(["cold start, MLP", "at most 0.35 s", "0.28 s", *_judged(cold_s, f"{cold_s:.2f} s", most=0.35)])
        if ("mlp", "kserve") in found.cold_s:
            share = cold_s / statistics.median(found.cold_s["mlp", "kserve"])
            rows.append(["the same over KServe's", "at most 0.2", "0.13", *_judged(share, f"{share:.2f}", most=0.2)])
    return rows


def _overloaded(found: Found) -> list[list[str]]:
    rows = []
    for subject, runs in found.overloads.items():
        one = sorted(runs, key=lambda run: run.in_time / run.peak_per_s)[len(runs) // 2]
        head = f"{subject.upper()}, {one.offered_per_s / one.peak_per_s:.1f} times the peak of {one.peak_per_s:,.0f}/s"
        kept = one.in_time / one.peak_per_s
        rows += [
            [f"{head}: in-time answers over peak", "at least 0.9", "0.9", *_judged(kept, f"{kept:.2f}", least=0.9)],
            [
                f"admitted and later than their deadline of {one.deadline_ms} ms", "none", "none",
                *_judged(one.late, f"{one.late:.2%}", most=0.001),
            ],
            [
                f"time of a 429 at p50 and p99, {one.refused:,} of them", "under 5 ms", "",
                *_judged(one.refused_p99_ms, f"{one.refused_p50_ms:.1f} and {one.refused_p99_ms:.1f} ms", most=5.0),
            ],
        ]  # fmt: skip
    return rows


def _judged(value: float | None, text: str, *, least: float | None = None, most: float | None = None) -> list[str]:
    if value is None:
        return ["not measured", ""]
    kept = value >= least if least is not None else most is not None and value <= most
    return [text, "yes" if kept else "no"]


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table of `rows`, the first its head."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, f"| {' | '.join('---' for _ in rows[0])} |")
    return "\n".join(lines) + "\n"


def document(found: Found) -> str:
    """Everything, as bench/README.md has it."""
    parts = [f"{note}\n" for note in found.notes]
    parts += [f"{TITLES.get(name, name)}: {why}\n" for name, why in found.failed.items()]
    parts += [markdown(targets(found)), markdown(servers(found)), markdown(at_rest(found))]
    return "\n".join(parts)


def _order(item: tuple[Key, object]) -> tuple[str, str, int, bool, str]:
    (subject, name, kind, clients), _ = item
    return subject, OWN_KIND.get(kind, kind), clients, not name.startswith("edgewise"), name


def _middle(values: Iterable[float]) -> str:
    return _short(statistics.median(list(values)))


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
