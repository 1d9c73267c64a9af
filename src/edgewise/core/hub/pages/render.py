"""Templates, with everything escaped, and how figures, moments and digests are shown."""

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from edgewise import __version__
from edgewise.exchange.message import Status

HERE = Path(__file__).parent
STATIC = HERE / "static"


def html(template: str, **context: Any) -> bytes:
    """The page."""
    return _ENVIRONMENT.get_template(template).render(**context).encode()


def ago(at_s: int, now_s: int) -> str:
    """How long ago, in words; "never" for a moment that has not come."""
    if not at_s:
        return "never"
    seconds = max(0, now_s - at_s)
    for size, word in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {word} ago"
    return f"{seconds} s ago"


def span(seconds: int) -> str:
    """A time, roughly."""
    return ago(1, 1 + abs(seconds)).removesuffix(" ago")


def short(digest: str) -> str:
    """A digest or id, as long as people compare it."""
    return digest.removeprefix("sha256:")[:12]


def pretty(text: str) -> str:
    """JSON text with indentation; as it is, where it is none."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def number(value: float) -> str:
    """A figure with thin groups, at most four digits after the point."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_ENVIRONMENT.filters |= {"ago": ago, "span": span, "short": short, "pretty": pretty, "number": number}
_ENVIRONMENT.globals |= {"version": __version__, "statuses": [status.value for status in Status]}
