"""The state machine as a drawing: mermaid, made from the rules themselves."""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from edgewise.edge.agent.machine import RULES
from edgewise.edge.agent.state import Effect, EffectKind, Event, EventKind, Phase, Server

DRAWN = frozenset(EventKind) - {EventKind.AWOKE, EventKind.UP, EventKind.STEADY, EventKind.TOLD_RETRY}
"""Every rule stands in the table; the drawing leaves out what would cover it with arrows."""


def page() -> str:
    """The reference page."""
    return "\n".join((*_head(), "```mermaid", *_drawing(), "```", "", *_words(), "", *_table(), ""))


def _head() -> Iterator[str]:
    yield "# States of the agent\n"
    yield "What the agent decides is a table of rules in `edge/agent/machine.py`; this page is made from it."
    yield "The first rule that fits is taken. Where none fits, nothing changes.\n"


def _drawing() -> Iterator[str]:
    yield "stateDiagram-v2"
    yield f"  [*] --> {Phase.EMPTY}"
    arrows: dict[tuple[str, str], list[str]] = {}
    for rule in RULES:
        if rule.event not in DRAWN:
            continue
        for phase in rule.phases:
            if phase in rule.then and len(rule.then) > 1:
                continue
            for after in rule.then:
                if after is not phase:
                    arrows.setdefault((phase, after), []).append(rule.event)
    for (before, to), events in arrows.items():
        yield f"  {before} --> {to}: {', '.join(dict.fromkeys(events))}"


def _words() -> Iterator[str]:
    words: dict[str, Iterable[StrEnum]] = {
        "Phases": Phase,
        "The server": Server,
        "Events": EventKind,
        "Effects": EffectKind,
    }
    for title, kinds in words.items():
        yield f"## {title}\n\n{', '.join(f'`{one.value}`' for one in kinds)}\n"
    yield f"A rule changes `State`, decides on an `{Event.__name__}` and asks for `{Effect.__name__}`s.\n"


def _table() -> Iterator[str]:
    yield "## Every rule, in order\n"
    yield "| in | on | where | then | do | because |\n|---|---|---|---|---|---|"
    for rule in RULES:
        stays = rule.then == rule.phases
        then = "the same" if stays and len(rule.then) > 1 else ", ".join(rule.then)
        cells = [
            "any" if len(rule.phases) == len(Phase) else ", ".join(rule.phases),
            rule.event,
            _first_line(rule.when.__doc__),
            then,
            ", ".join(rule.do) or "nothing",
            _first_line(rule.change.__doc__),
        ]
        yield f"| {' | '.join(cells)} |"


def _first_line(text: str | None) -> str:
    return (text or "").strip().splitlines()[0]
