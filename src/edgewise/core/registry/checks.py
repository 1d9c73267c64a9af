"""What a document of the registry may be, before it is written. Pure."""

import math
import re
from typing import TYPE_CHECKING, Any

from edgewise.errors import BadInput

if TYPE_CHECKING:
    from edgewise.core.registry.entries import Document, Kind

LONGEST = 64 << 10
NAME_LONGEST = 256
SHORT = {"name": NAME_LONGEST, "externalId": NAME_LONGEST, "owner": 128, "author": 128, "artifactType": 32}
MAX_PROPERTIES = 500
_ARTIFACT_TYPES = ("model-artifact", "doc-artifact", "dataset-artifact", "metric", "parameter")
_VALUES = {
    "MetadataStringValue": ("string_value", str),
    "MetadataIntValue": ("int_value", str),
    "MetadataDoubleValue": ("double_value", int | float),
    "MetadataBoolValue": ("bool_value", bool),
    "MetadataStructValue": ("struct_value", str),
    "MetadataProtoValue": ("proto_value", str),
}


def checked(kind: "Kind", given: "Document") -> "Document":
    """`given`, as far as it can be written.

    Raises:
        BadInput: a field of another type, too long, or a word that is none.
    """
    if not isinstance(given, dict):
        raise BadInput(f"a {kind.word} is a JSON object")
    found: Document = {}
    for name in (*kind.columns, *kind.texts):
        if name in given:
            found[name] = _text(name, given[name])
    for name in kind.lists:
        if given.get(name) is not None:
            found[name] = _list(name, given[name])
    if found.get("state") is None:
        found.pop("state", None)
    elif found["state"] not in kind.states:
        raise BadInput(f"state is {found['state']!r}, not one of {', '.join(kind.states)}")
    if found.get("artifactType") not in (None, *_ARTIFACT_TYPES):
        raise BadInput(f"artifactType is {found['artifactType']!r}, not one of {', '.join(_ARTIFACT_TYPES)}")
    if given.get("customProperties") is not None:
        found["customProperties"] = _properties(given["customProperties"])
    return found


def digest_in(document: "Document") -> str:
    """The digest that an artifact names, in a field, a property or its address; "" where it does not."""
    custom = document.get("customProperties", {}).get("digest", {}).get("string_value", "")
    for text in (document.get("digest"), custom, document.get("uri")):
        found = re.search(r"sha256:[0-9a-f]{64}(?![0-9a-f])", text or "")
        if found:
            return found[0]
    return ""


def is_text(value: object, longest: int) -> bool:
    """Whether `value` is a text that every database takes."""
    return isinstance(value, str) and len(value) <= longest and not re.search("[\0\ud800-\udfff]", value)


def _text(name: str, value: Any) -> str | None:
    if value is None:
        return None
    longest = SHORT.get(name, LONGEST)
    if not is_text(value, longest):
        raise BadInput(f"{name} is a text of at most {longest} signs")
    return str(value)


def _list(name: str, value: Any) -> list[str]:
    if not isinstance(value, list) or len(value) > 100 or not all(is_text(one, NAME_LONGEST) for one in value):
        raise BadInput(f"{name} is a list of at most 100 texts")
    return value


def _properties(given: Any) -> "dict[str, Document]":
    if not isinstance(given, dict) or len(given) > MAX_PROPERTIES:
        raise BadInput(f"customProperties are at most {MAX_PROPERTIES} values by name")
    return {_property_name(name): _property(name, value) for name, value in given.items()}


def _property_name(name: str) -> str:
    if not name or not is_text(name, NAME_LONGEST):
        raise BadInput(f"a custom property has a name of at most {NAME_LONGEST} signs")
    return name


def _property(name: str, value: Any) -> "Document":
    kind = value.get("metadataType") if isinstance(value, dict) else None
    if kind not in _VALUES:
        raise BadInput(f"customProperties.{name}.metadataType is not one of {', '.join(_VALUES)}")
    key, wanted = _VALUES[kind]
    held = value.get(key)
    if not isinstance(held, wanted) or (isinstance(held, bool) and wanted is not bool):
        raise BadInput(f"customProperties.{name} has no {key}")
    if isinstance(held, str) and not is_text(held, LONGEST):
        raise BadInput(f"customProperties.{name} is a text of at most {LONGEST} signs")
    if key == "int_value" and not re.fullmatch(r"-?[0-9]{1,19}", str(held)):
        raise BadInput(f"customProperties.{name} is no whole number")
    if key == "double_value" and not math.isfinite(float(held)):
        raise BadInput(f"customProperties.{name} is no finite number")
    more = {"type": value["type"]} if kind == "MetadataProtoValue" and is_text(value.get("type"), 256) else {}
    return {key: held, **more, "metadataType": kind}
