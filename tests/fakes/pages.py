"""Reading the report's page as a test does: its tags, and what a reader sees."""

import re
from html import unescape
from html.parser import HTMLParser

from edgewise.design.report import render
from edgewise.nouns import Plan
from fakes import plans


class Tags(HTMLParser):
    """Every tag of a page with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def having(self, **wanted: str) -> list[dict[str, str | None]]:
        return [a for _, a in self.found if all(v in (a.get(k.strip("_")) or "").split() for k, v in wanted.items())]


def page_of(plan: Plan) -> str:
    return render([plan], plans.logs_of(plan))


def words(page: str) -> str:
    """What a reader sees of a page, tags and runs of white space made one space."""
    seen = re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", seen)))
