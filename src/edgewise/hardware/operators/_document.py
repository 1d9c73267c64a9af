"""What a table of operators looks like as a file, and as a noun."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from edgewise.documents import Document
from edgewise.nouns import AcceleratorKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The part of an operator's conditions that is numbers. None, or an empty tuple, is no limit.

    Attributes:
        kernel_max, stride_max: of each of both directions.
        elements_max: of the input.
        fused_activation: whether an activation may be fused into it.
        dtypes: what it is computed in; empty where the table's `precision` says all.
    """

    kernel_max: int | None = None
    stride_max: int | None = None
    elements_max: int | None = None
    fused_activation: bool = True
    dtypes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorTable:
    """What a compiler takes for one kind of accelerator.

    Attributes:
        title: the compiler with the version that the table is of.
        format: whose names the operators have.
        precision: dtypes that the accelerator computes in through this compiler.
        mapping: "prefix" where only the first stretch of supported operators is mapped and all that comes after an
            unsupported one runs on the CPU; "islands" where every stretch is.
        operators: what is taken; the conditions in words, "" where none are told.
        limits: the conditions that are numbers, of the operators that have any.
        compilers, kinds, accelerators, pages: what `find` goes by.
        sources: addresses that it was read from, the main one first; `date` is the main one's.
        note: what must be known before the table is trusted.
    """

    name: str
    title: str
    format: Literal["tflite", "onnx"]
    precision: tuple[str, ...]
    mapping: Literal["prefix", "islands"]
    operators: Mapping[str, str]
    limits: Mapping[str, Limits]
    compilers: tuple[str, ...]
    kinds: tuple[AcceleratorKind, ...]
    accelerators: tuple[str, ...]
    pages: tuple[str, ...]
    sources: tuple[str, ...]
    date: str
    note: str = ""


def _date(value: object) -> str:
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value.isoformat()
    raise ValueError(f"found {value!r}; allowed is a day such as 2024-12-17")


Text = Annotated[str, Field(min_length=1)]
Url = Annotated[str, Field(pattern="^https://")]
Dtype = Literal["float32", "float16", "bfloat16", "int32", "int16", "int8", "bool"]
Count = Annotated[int, Field(gt=0)]


class SourceDocument(Document):
    """Where a table was read, and on what day it was published or, where that is not told, read."""

    title: Text
    url: Url
    date: Annotated[str, BeforeValidator(_date)]


class OperatorDocument(Document):
    """The conditions of one operator."""

    conditions: str = ""
    kernel_max: Count | None = None
    stride_max: Count | None = None
    elements_max: Count | None = None
    fused_activation: bool = True
    dtypes: list[Dtype] = Field(default_factory=list)

    def limits(self) -> Limits:
        return Limits(
            kernel_max=self.kernel_max,
            stride_max=self.stride_max,
            elements_max=self.elements_max,
            fused_activation=self.fused_activation,
            dtypes=tuple(self.dtypes),
        )


class TableDocument(Document):
    """A file."""

    name: Text
    title: Text
    format: Literal["tflite", "onnx"]
    precision: Annotated[list[Dtype], Field(min_length=1)]
    mapping: Literal["prefix", "islands"]
    compilers: Annotated[list[Text], Field(min_length=1)]
    kinds: Annotated[list[Literal["gpu", "npu", "tpu"]], Field(min_length=1)]
    accelerators: list[Text]
    pages: list[Url]
    sources: Annotated[list[SourceDocument], Field(min_length=1)]
    note: str = ""
    operators: Annotated[dict[Text, OperatorDocument], Field(min_length=1)]


def to_table(document: TableDocument) -> OperatorTable:
    """The noun of a document."""
    limits = {name: operator.limits() for name, operator in document.operators.items()}
    return OperatorTable(
        name=document.name,
        title=document.title,
        format=document.format,
        precision=tuple(document.precision),
        mapping=document.mapping,
        operators={name: operator.conditions for name, operator in document.operators.items()},
        limits={name: limit for name, limit in limits.items() if limit != Limits()},
        compilers=tuple(document.compilers),
        kinds=tuple(AcceleratorKind(kind) for kind in document.kinds),
        accelerators=tuple(document.accelerators),
        pages=tuple(document.pages),
        sources=tuple(source.url for source in document.sources),
        date=document.sources[0].date,
        note=document.note.strip(),
    )
