"""Why a strategy: the three side by side, figures and needs, and the reasons in sentences."""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite

from edgewise.build.choice.figures import Figures
from edgewise.build.choice.rule import Choice
from edgewise.build.choice.sentences import duration
from edgewise.build.strategies.bundle import Role
from edgewise.cli._figures import plain
from edgewise.cli._transfers import size, some
from edgewise.cli.config import Output
from edgewise.cli.output import Column, bullet, data, heading, names, sentence, table
from edgewise.nouns import Measurement, Site

Row = tuple[str, Mapping[str, str]]


def show(found: Sequence[tuple[Site, Choice]], output: Output | None) -> None:
    """Print every choice."""
    match output:
        case Output.JSON | Output.YAML:
            documents = [_finite(plain(choice)) for _, choice in found]
            data(documents[0] if len(documents) == 1 else documents, output)  # type: ignore[arg-type]
        case Output.NAME:
            names([choice.strategy or "none" for _, choice in found])
        case _:
            for number, (site, choice) in enumerate(found):
                if number:
                    heading("")
                _show(site, choice)


def _finite(document: object) -> object:
    """`document` with null where JSON has no number: what takes for ever."""
    if isinstance(document, dict):
        return {name: _finite(value) for name, value in document.items()}
    if isinstance(document, list):
        return [_finite(value) for value in document]
    return None if isinstance(document, float) and not isfinite(document) else document


def _show(site: Site, choice: Choice) -> None:
    sentence(f"{choice.site}: {choice.strategy or 'no strategy can be had'}", "bold")
    for reason in choice.reasons:
        bullet(reason)
    for strategy, why in choice.ruled_out.items():
        bullet(f"{strategy} is ruled out: {why}")
    for tie in choice.ties:
        bullet(tie)
    heading(f"Side by side, for {choice.figures[0].platform}")
    columns: list[Column[Row]] = [Column(title="FIGURE", text=lambda row: row[0], least=18)]
    columns += [_column(one.strategy.value) for one in choice.figures]
    table(_rows(choice), columns)
    heading("What each needs")
    for one in choice.figures:
        bullet(f"{one.strategy}: {', '.join(_thing(one, index) for index in range(len(one.needs.things)))}")
    sentence("(*: must be running for a cold start)")
    heading("What the figures rest on")
    for line in choice.assumptions:
        bullet(line)
    if site.strategy == "auto":
        return
    sentence(f"\nedge.yaml says: {site.strategy}")


def _rows(choice: Choice) -> list[Row]:
    def row(title: str, text: Callable[[Figures], str]) -> Row:
        return title, {one.strategy.value: text(one) for one in choice.figures}

    changing = [role for role in Role if role in choice.figures[0].update_bytes]
    return [
        row("first deployment", lambda one: _size(one.first_bytes)),
        row("  on the link", lambda one: _time(one.first_ms)),
        *(row(f"new {role}", lambda one, role=role: _size(one.update_bytes[role])) for role in reversed(changing)),  # type: ignore[misc]
        row("  model on the link", lambda one: _time(one.update_ms)),
        row("each start again", lambda one: _size(one.restart_bytes)),
        row("a month", lambda one: _size(one.monthly_bytes)),
        row("  on the link", lambda one: _time(one.monthly_ms)),
        row("disk, at most", lambda one: _size(one.disk_peak_bytes)),
        row("for a cold start", lambda one: some(len(one.needs.cold_start), "thing")),
        row("new model restarts", lambda one: ", ".join(one.needs.replaced) or "nothing"),
    ]


def _column(strategy: str) -> Column[Row]:
    return Column(title=strategy.upper(), text=lambda row: row[1][strategy])


def _thing(one: Figures, index: int) -> str:
    thing = one.needs.things[index]
    return f"{thing.name}{'*' if thing.at_cold_start else ''}"


def _size(figure: Measurement) -> str:
    return size(round(figure.value))


def _time(figure: Measurement | None) -> str:
    return "-" if figure is None else duration(figure.value)
