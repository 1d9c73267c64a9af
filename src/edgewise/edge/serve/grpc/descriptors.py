"""The messages of inference.proto as classes, made from the file itself when the process starts.

There is no generated code: it would be a second truth, tied to one version of protoc, and it would claim the protocol's
names in the process-wide pool, where a client library in the same process claims them too. A pool of our own does not
mind. A test has protoc read the same file and compares.
"""

import re
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

FILE = "inference.proto"
PACKAGE = "inference"
SERVICE = f"{PACKAGE}.GRPCInferenceService"

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    name: getattr(_Field, f"TYPE_{name.upper()}")
    for name in ("bool", "int32", "int64", "uint32", "uint64", "float", "double", "string", "bytes")
}
_FIELD = re.compile(r"(repeated )?(map<string, (\w+)>|\w+) (\w+) = (\d+);")


def described(text: str) -> Any:
    """The FileDescriptorProto of a file like ours.

    Raises:
        ValueError: a line is of another kind.
    """
    file = descriptor_pb2.FileDescriptorProto(name=FILE, package=PACKAGE, syntax="proto3")
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith(("//", "syntax", "package", "service", "rpc"))]
    messages: list[Any] = []
    choice: str | None = None
    for line in lines:
        if line.startswith("message "):
            into = messages[-1].nested_type if messages else file.message_type
            messages.append(into.add(name=line.split()[1]))
        elif line.startswith("oneof "):
            choice = line.split()[1]
            messages[-1].oneof_decl.add(name=choice)
        elif line == "}":
            if choice:
                choice = None
            elif messages:
                messages.pop()
        elif found := _FIELD.fullmatch(line):
            _add_field(messages, found, in_choice=choice is not None)
        else:
            raise ValueError(f"{line!r} is not understood")
    return file


def _add_field(messages: list[Any], found: re.Match[str], *, in_choice: bool) -> None:
    repeated, kind, value, name, number = found.groups()
    field = messages[-1].field.add(name=name, number=int(number), json_name=_json_name(name))
    field.label = _Field.LABEL_REPEATED if repeated or value else _Field.LABEL_OPTIONAL
    if in_choice:
        field.oneof_index = 0
    if value:
        kind = name.title().replace("_", "") + "Entry"
        entry = messages[-1].nested_type.add(name=kind)
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, json_name="key", label=_Field.LABEL_OPTIONAL, type=_Field.TYPE_STRING)
        entry.field.add(
            name="value",
            number=2,
            json_name="value",
            label=_Field.LABEL_OPTIONAL,
            type=_Field.TYPE_MESSAGE,
            type_name=f".{PACKAGE}.{value}",
        )
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
        return
    field.type = _Field.TYPE_MESSAGE
    inside = any(nested.name == kind for nested in messages[-1].nested_type)
    field.type_name = ".".join(["", PACKAGE, *([one.name for one in messages] if inside else []), kind])


def _json_name(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(one.title() for one in others)


def text() -> str:
    """inference.proto."""
    return Path(__file__).with_name(FILE).read_text()


_pool = descriptor_pool.DescriptorPool()
_pool.AddSerializedFile(described(text()).SerializeToString())


def of(name: str) -> Any:
    """The class of the message `name`."""
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
