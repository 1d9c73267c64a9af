"""A page of metrics, in either of the formats that Prometheus reads, as samples. Pure.

The text comes from outside: what does not follow the format is refused, and nothing of it is believed.
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|(?=\}))')
_ESCAPED = re.compile(r"\\(.)")
_MEANT = {"n": "\n", "\\": "\\", '"': '"'}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One value with its labels."""

    labels: Mapping[str, str]
    value: float


Page = Mapping[str, Sequence[Sample]]
"""Samples by the name they stand under: a histogram's under _bucket, _sum and _count."""


def read(text: str) -> Page:
    """The samples of `text`; comments, timestamps and exemplars are passed over.

    Raises:
        ValueError: a line is no sample.
    """
    found: dict[str, list[Sample]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.startswith("#"):
            try:
                name, sample = _sample(line)
            except ValueError as error:
                raise ValueError(f"line {number} is no sample: {error}") from error
            found.setdefault(name, []).append(sample)
    return found


def _sample(line: str) -> tuple[str, Sample]:
    name = _NAME.match(line)
    if name is None:
        raise ValueError("it begins with no name")
    at, labels = name.end(), {}
    if line[at : at + 1] == "{":
        at += 1
        for found in _labels(line, at):
            labels[found[1]] = _ESCAPED.sub(lambda sign: _MEANT.get(sign[1], sign[0]), found[2])
            at = found.end()
        if line[at : at + 1] != "}":
            raise ValueError("its labels do not end")
        at += 1
    words = line[at:].split()
    if not words:
        raise ValueError("it has no value")
    return name[0], Sample(labels=labels, value=float(words[0]))


def _labels(line: str, at: int) -> Iterator[re.Match[str]]:
    while found := _LABEL.match(line, at):
        yield found
        at = found.end()
