"""Documents from outside: read once, bounded, strict, with every fault reported at once.

`load` turns a YAML file into a validated `Document`. A fault names file and line, what was found, what is
allowed and the nearest right name. Anchors, tags and duplicate keys are refused: an edge.yaml says what
it means. Inside the house the result is trusted.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from edgewise import units
from edgewise.errors import BadDocument, NotFound

EDGE_YAML = "edge.yaml"
MAX_BYTES = 1 << 20
MAX_NODES = 50_000

_YAML = "tag:yaml.org,2002:"
_TAGS: Mapping[type[yaml.Node], frozenset[str]] = {
    yaml.MappingNode: frozenset({"map"}),
    yaml.SequenceNode: frozenset({"seq"}),
    yaml.ScalarNode: frozenset({"str", "int", "float", "bool", "null", "timestamp"}),
}
_KINDS = {"timestamp": "date", "bool": "true or false"}
_UNUSABLE = re.compile("[\0\ud800-\udfff]")
_ALLOWED = {
    "model_type": "a mapping",
    "dict_type": "a mapping",
    "list_type": "a list",
    "string_type": "text (put it in quotes)",
}

T = TypeVar("T", bound=BaseModel)
Step = str | int


class Document(BaseModel):
    """Base of every document class: strict types, no unknown keys, no changes after validation."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True, eq=False)
class InUnits:
    """Makes a float field read a quantity with its unit: `Annotated[float, InUnits(units.TIME)]`."""

    dimension: units.Dimension

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(
            lambda given: units.parse(given, self.dimension), handler(source)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        known = [re.escape(unit) for unit, factor in self.dimension.units.items() if unit and not math.isnan(factor)]
        optional = "" if self.dimension.base else "?"
        text: JsonSchemaValue = {
            "type": "string",
            "maxLength": units.MAX_CHARACTERS,
            "pattern": rf"^\s*\+?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*({'|'.join(known)}){optional}\s*$",
            "examples": [f"10{unit}" for unit in self.dimension.shown if unit] or ["1%"],
        }
        return text if self.dimension.base else {"anyOf": [{"type": "number", "minimum": 0}, text]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing wrong in a document; `problem` says what was found, what is allowed, what is near."""

    file: str
    line: int
    where: str
    problem: str

    def __str__(self) -> str:
        """As compilers print it, so that editors can jump to the line."""
        return f"{self.file}:{self.line}: {self.where + ': ' if self.where else ''}{self.problem}"


def load(path: Path, document_type: type[T], *, what: str) -> T:
    """The document in `path`.

    Args:
        path: a YAML file of at most `MAX_BYTES`.
        document_type: what it must be.
        what: its name in messages ("edge.yaml", "catalogue file").

    Raises:
        NotFound: there is no such file, or it cannot be read.
        BadDocument: with all faults.
    """
    root = _compose(path, _read(path, what), what)
    faults = [Fault(file=str(path), line=line, where="", problem=text) for line, text in _refused(root)]
    if faults:
        raise _bad(path, faults, what)
    data = _Loader("").construct_document(root)
    try:
        return document_type.model_validate(data)
    except ValidationError as error:
        found = [_fault(path, root, document_type, detail) for detail in error.errors()]
        raise _bad(path, sorted(found, key=lambda fault: fault.line), what) from None


def _read(path: Path, what: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        hint = "write one: edgewise init MODEL" if what == EDGE_YAML else "check its name"
        raise NotFound(f"there is no {what} at {path}", hint=hint) from None
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}", hint="check its permissions") from None
    if len(content) > MAX_BYTES:
        raise BadDocument(f"{path} is larger than {MAX_BYTES >> 10} KiB", hint=f"is it really the {what}?")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise BadDocument(f"{path} is not text in UTF-8", hint=f"is it really the {what}?") from None


class _Loader(yaml.SafeLoader):
    """Stops at `MAX_NODES`, before a large file that is no document of ours costs more than a moment."""

    _nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem=f"more than {MAX_NODES} values", problem_mark=mark)
        return super().compose_node(parent, index)


def _compose(path: Path, text: str, what: str) -> yaml.Node:
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        raise _bad(path, [Fault(file=str(path), line=line, where="", problem=f"not YAML: {problem}")], what) from None
    except RecursionError:
        raise _bad(path, [Fault(file=str(path), line=1, where="", problem="nested too deeply")], what) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the last two: an escape such as \UFFFFFFFF
        fault = Fault(file=str(path), line=1, where="", problem=f"not YAML: {str(error).partition(chr(10))[0]}")
        raise _bad(path, [fault], what) from None
    if root is None:
        raise _bad(path, [Fault(file=str(path), line=1, where="", problem="the file is empty")], what)
    return root


def _bad(path: Path, faults: Sequence[Fault], what: str) -> BadDocument:
    count = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
    hint = "the format is in docs/reference/edge-yaml.md; an example: edgewise init MODEL"
    if what != EDGE_YAML:
        hint = "mend the lines named above"
    return BadDocument(f"{path} has {count}", faults=faults, hint=hint)


def _refused(root: yaml.Node) -> Iterator[tuple[int, str]]:
    """What YAML allows and we do not: aliases, tags of its own, duplicate keys, text that is no text."""
    constructor = _Loader("")
    seen: set[int] = set()
    pending = [root]
    while pending:
        node = pending.pop()
        line = node.start_mark.line + 1
        if id(node) in seen:
            yield line, "anchors and aliases are not allowed; write the value out"
            return
        seen.add(id(node))
        if not node.tag.startswith(_YAML) or node.tag.removeprefix(_YAML) not in _TAGS[type(node)]:
            yield line, f"the tag {node.tag} is not allowed; put {units.quoted(node.value)} in quotes if it is text"
            continue
        if isinstance(node, yaml.ScalarNode):
            yield from _bad_scalar(node, constructor)
        elif isinstance(node, yaml.MappingNode):
            yield from _bad_keys(node)
            pending += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            pending += node.value


def _bad_scalar(node: yaml.ScalarNode, constructor: yaml.SafeLoader) -> Iterator[tuple[int, str]]:
    line = node.start_mark.line + 1
    if _UNUSABLE.search(node.value):
        yield line, f"found {units.quoted(node.value)}; a null character or half a character is not allowed"
        return
    try:
        constructor.construct_object(node)
    except (yaml.YAMLError, ValueError, LookupError, OverflowError, AttributeError):  # PyYAML trusts explicit tags
        kind = _KINDS.get(node.tag.removeprefix(_YAML), "number")
        yield line, f"found {units.quoted(node.value)}, which is no {kind}; put it in quotes if it is text"


def _bad_keys(node: yaml.MappingNode) -> Iterator[tuple[int, str]]:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.tag == f"{_YAML}merge":
            yield line, "a key must be a plain name"
        elif key.tag != f"{_YAML}str":
            yield line, f"a key must be a plain name; put {units.quoted(key.value)} in quotes"
        elif key.value in lines:
            yield line, f"the key {key.value!r} is already on line {lines[key.value]}"
        else:
            lines[key.value] = line


def _fault(path: Path, root: yaml.Node, document_type: type[BaseModel], detail: Mapping[str, Any]) -> Fault:
    steps = [step for step in detail["loc"] if step != "[key]"]
    return Fault(
        file=str(path),
        line=_line(root, steps),
        where=".".join(str(step) for step in steps),
        problem=_problem(document_type, steps, detail),
    )


def _line(root: yaml.Node, steps: Sequence[Step]) -> int:
    """Line of the deepest node on the way to `steps`: a key's own line, its parent's where it is missing."""
    node, line = root, root.start_mark.line + 1
    for step in steps:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == str(step)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _problem(document_type: type[BaseModel], steps: Sequence[Step], detail: Mapping[str, Any]) -> str:
    kind, given, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        names = sorted(_names(_type_at(document_type, steps[:-1])))
        return f"found an unknown key; allowed are {', '.join(names)}{_nearest(str(steps[-1]), names)}"
    if kind == "missing":
        return "this key is missing"
    if kind == "literal_error":
        names = [name.strip("' ") for name in context["expected"].replace(" or ", ",").split(",")]
        near = _nearest(given, names) if isinstance(given, str) else ""
        return f"found {units.quoted(given)}; allowed are {', '.join(names)}{near}"
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        allowed = f"text that matches {context['pattern']}"
    elif kind in ("too_short", "too_long"):
        allowed = f"{context['min_length']} or more" if kind == "too_short" else f"{context['max_length']} or fewer"
    else:
        allowed = _ALLOWED.get(kind) or str(detail["msg"]).removeprefix("Input should be ")
    return f"found {units.quoted(given)}; allowed is {allowed}"


def _nearest(name: str, names: Sequence[str]) -> str:
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""


def _names(document_type: object) -> list[str]:
    if isinstance(document_type, type) and issubclass(document_type, BaseModel):
        return [field.alias or name for name, field in document_type.model_fields.items()]
    return []


def _type_at(document_type: object, steps: Sequence[Step]) -> object:
    """The type that stands at `steps` below `document_type`."""
    for step in steps:
        document_type = _bare(document_type)
        if isinstance(document_type, type) and issubclass(document_type, BaseModel):
            fields = {field.alias or name: field for name, field in document_type.model_fields.items()}
            if step not in fields:
                return None
            document_type = fields[str(step)].annotation
        elif get_origin(document_type) in (dict, Mapping):
            document_type = get_args(document_type)[1]
        elif get_origin(document_type) is list:
            document_type = get_args(document_type)[0]
        else:
            return None
    return _bare(document_type)


def _bare(document_type: object) -> object:
    """Without Annotated and Optional."""
    while True:
        if get_origin(document_type) is Annotated:
            document_type = get_args(document_type)[0]
        elif get_origin(document_type) in (Union, UnionType):
            document_type = next(part for part in get_args(document_type) if part is not type(None))
        else:
            return document_type
