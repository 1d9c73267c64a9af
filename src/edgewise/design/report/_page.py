"""From views to the page: templates, style and script from beside this file, inlined."""

from collections.abc import Mapping, Sequence
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from edgewise.design.report._facts import short_digest
from edgewise.design.report._text import clean
from edgewise.design.report._view import view
from edgewise.nouns import Plan

_PAGE_BYTES = 290_000
_LOG_LEAST, _LOG_MOST = 200, 6_000


def render(plans: Sequence[Plan], logs: Mapping[str, str]) -> str:
    """The page for `plans`, one a site, in their order.

    Args:
        plans: what to show; usually one.
        logs: text by digest of every log that `Design.log` may name; the newest end of each is shown, as much as
            leaves the page below 300 kB. Beyond about sixty designs on several machines it is larger, by about
            5 kB for each, and a log has 200 bytes.
    """
    bare = _render(plans, {}, 0)
    named = sum(verdict.design.log in logs for plan in plans for verdict in plan.verdicts)
    room = (_PAGE_BYTES - len(bare.encode())) // max(1, named)
    return _render(plans, logs, min(_LOG_MOST, max(_LOG_LEAST, room)))


def _render(plans: Sequence[Plan], logs: Mapping[str, str], room: int) -> str:
    # `finalize` sees every value that a template prints: nothing can reach the page uncleaned.
    environment = Environment(
        autoescape=True,
        loader=FunctionLoader(_source),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters["short"] = short_digest
    views = [view(plan, number, logs, room) for number, plan in enumerate(plans)]
    template = environment.get_template("page.html.j2")
    beside = [view for view in views if view.machines or view.configurations or view.advice or view.trials]
    sheets = ("style.css", "machines.css") if beside else ("style.css",)
    style = "".join(_source(name) for name in sheets)
    return template.render(
        views=views,
        beside=bool(beside),
        style=Markup(style),  # noqa: S704
        script=Markup(_source("report.js")),  # noqa: S704
    )


def _source(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _finalize(value: object) -> object:
    if isinstance(value, str) and not isinstance(value, Markup):
        return clean(value)
    return value
