"""What an image stands on, as a value: layers, config, and the interpreter that wheels must fit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgewise.build.pack import Packed
from edgewise.build.platforms import Platform
from edgewise.build.wheels.resolve import Target

KIND_LABEL = "io.edgewise.base"
PYTHON_LABEL = "io.edgewise.python"
GLIBC_LABEL = "io.edgewise.glibc"
"""Of a base: how it was made, and versions as "3.11" and "2.36". Images on top inherit them."""

NO_PYTHON = (0, 0)
"""Of a base that has no interpreter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What an image stands on.

    Attributes:
        layers: lowest first.
        config: the base's whole config document, {} where it has none yet.
        python: major and minor version of its interpreter.
        glibc: minor version of its glibc 2.
        kind: how it was made: debian, host; "" where another made it.
        name: its reference, for the annotation; "" where it has none.
        digest: of its manifest; "" where it has none.
    """

    platform: Platform
    layers: tuple[Packed, ...]
    python: tuple[int, int]
    glibc: int
    config: Mapping[str, Any] = field(default_factory=dict)
    kind: str = ""
    name: str = ""
    digest: str = ""

    @property
    def target(self) -> Target:
        """What wheels for this base must fit."""
        return Target(platform=self.platform, python=self.python, glibc=self.glibc)

    @property
    def labels(self) -> dict[str, str]:
        """What a later reader of the image needs to build on it."""
        kind = {KIND_LABEL: self.kind} if self.kind else {}
        if self.python == NO_PYTHON:
            return kind
        return {**kind, PYTHON_LABEL: f"{self.python[0]}.{self.python[1]}", GLIBC_LABEL: f"2.{self.glibc}"}
