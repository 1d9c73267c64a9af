"""What the registry holds, in the form of Kubeflow Model Registry's API: models, versions and artifacts as documents.

A document's fields that are asked for by value stand in columns, the others beside them as they came, so that what is
written is read again. Custom properties are tags where they are texts, and metrics where they are numbers. On a
version, `data_digest`, `training_run`, `design_report` and `parent_version` are its lineage.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from edgewise.core.database.schema import artifacts, models, properties, versions
from edgewise.core.registry.checks import checked, digest_in
from edgewise.errors import BadInput, Conflict, NotFound

Document = dict[str, Any]
AnyRow = Row[*tuple[Any, ...]]
LINEAGE = ("data_digest", "training_run", "design_report")
PARENT = "parent_version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of entry.

    Attributes:
        columns: name of a field in documents, and its column.
        texts: fields that are texts and stand beside the columns.
        lists: fields that are lists of texts.
    """

    word: str
    table: Table
    columns: Mapping[str, str]
    texts: Sequence[str] = ()
    lists: Sequence[str] = ()
    states: Sequence[str] = ("LIVE", "ARCHIVED")
    hidden: Mapping[str, str] = field(default_factory=dict)


_COMMON = {"name": "name", "externalId": "external_id", "description": "description", "state": "state"}
MODEL = Kind(
    word="model",
    table=models,
    columns={**_COMMON, "owner": "owner"},
    texts=("readme", "maturity", "provider", "logo", "license", "licenseLink", "libraryName"),
    lists=("language", "tasks"),
)
VERSION = Kind(
    word="version",
    table=versions,
    columns={**_COMMON, "author": "author", "registeredModelId": "model"},
)
ARTIFACT = Kind(
    word="artifact",
    table=artifacts,
    columns={**_COMMON, "uri": "uri", "artifactType": "type"},
    texts=(
        "modelFormatName",
        "modelFormatVersion",
        "storageKey",
        "storagePath",
        "serviceAccountName",
        "modelSourceKind",
        "modelSourceClass",
        "modelSourceGroup",
        "modelSourceId",
        "modelSourceName",
        "digest",
        "sourceType",
        "source",
        "schema",
        "profile",
    ),
    states=("UNKNOWN", "PENDING", "LIVE", "MARKED_FOR_DELETION", "DELETED", "ABANDONED", "REFERENCE"),
)


def create(connection: Connection, kind: Kind, given: Document, *, now_ms: int, version: int | None = None) -> Document:
    """A new entry from a document; the document of it.

    Raises:
        BadInput: a field that cannot be.
        NotFound: the model that it belongs to is not there.
        Conflict: the name, or the external id, is taken.
    """
    document = checked(kind, given)
    if kind is not ARTIFACT and not document.get("name"):
        raise BadInput(f"a {kind.word} has a name")
    values = _values(kind, document) | {"made_ms": now_ms, "changed_ms": now_ms}
    if kind is VERSION:
        values["model"] = _owner(connection, document)
    if kind is ARTIFACT:
        values |= {"version": version, "digest": digest_in(document)}
    try:
        with connection.begin_nested():
            number = connection.execute(insert(kind.table).values(**values).returning(kind.table.c.number)).scalar_one()
    except IntegrityError as error:
        raise Conflict(
            f"there is a {kind.word} of the name {document.get('name', '')!r}, or its id, already"
        ) from error
    _set_properties(connection, kind, number, document.get("customProperties", {}))
    return get(connection, kind, number)


def change(connection: Connection, kind: Kind, number: int, given: Document, *, now_ms: int) -> Document:
    """Change the fields that `given` has; the document after that.

    Raises:
        BadInput: a field that cannot be.
        NotFound: there is no such entry.
        Conflict: the external id is taken.
    """
    before = get(connection, kind, number)
    document = checked(kind, given)
    for fixed in ("name", "registeredModelId", "artifactType"):
        if document.pop(fixed, before.get(fixed)) != before.get(fixed):
            raise BadInput(f"{fixed} of a {kind.word} does not change")
    values = _values(kind, document) | {"changed_ms": now_ms}
    values["details"] = _beside(kind, before) | values.get("details", {})
    try:
        with connection.begin_nested():
            connection.execute(update(kind.table).where(kind.table.c.number == number).values(**values))
    except IntegrityError as error:
        raise Conflict(f"another {kind.word} has this external id") from error
    if "customProperties" in document:
        _set_properties(connection, kind, number, document["customProperties"])
    return get(connection, kind, number)


def get(connection: Connection, kind: Kind, number: int) -> Document:
    """The document of the entry with this number.

    Raises:
        NotFound: there is none.
    """
    return one(connection, kind, {"number": number})


def one(connection: Connection, kind: Kind, wanted: Mapping[str, Any]) -> Document:
    """The document of the one entry whose columns are as wanted.

    Raises:
        NotFound: there is none.
    """
    query = select(kind.table).where(*(kind.table.c[name] == value for name, value in wanted.items()))
    row = connection.execute(query.order_by(kind.table.c.number).limit(1)).one_or_none()
    if row is None:
        said = ", ".join(f"{name} {value}" for name, value in wanted.items())
        raise NotFound(f"there is no {kind.word} with {said}")
    return documents(connection, kind, [row])[0]


def documents(connection: Connection, kind: Kind, rows: Sequence[AnyRow]) -> list[Document]:
    """Documents of rows, with their custom properties."""
    query = select(properties).where(
        properties.c.kind == kind.word, properties.c.owner.in_([row.number for row in rows])
    )
    custom: dict[int, Document] = {}
    for found in connection.execute(query.order_by(properties.c.name)):
        custom.setdefault(found.owner, {})[found.name] = found.value
    return [_document(kind, row, custom.get(row.number, {})) for row in rows]


def _document(kind: Kind, row: AnyRow, custom: Document) -> Document:
    found: Document = {"id": str(row.number), "customProperties": custom, **row.details}
    for name, column in kind.columns.items():
        value = getattr(row, column)
        if value is not None and (value != "" or name in ("name", "artifactType")):
            found[name] = str(value)
    found["createTimeSinceEpoch"] = str(row.made_ms)
    found["lastUpdateTimeSinceEpoch"] = str(row.changed_ms)
    return found


def _values(kind: Kind, document: Document) -> Document:
    """Columns of the fields that stand in `document`."""
    found = {column: document[name] for name, column in kind.columns.items() if name in document and column != "model"}
    for column in ("description", "owner", "author", "uri", "name"):
        if column in found and found[column] is None:
            found[column] = ""
    return found | {"details": _beside(kind, document)}


def _beside(kind: Kind, document: Document) -> Document:
    return {name: document[name] for name in (*kind.texts, *kind.lists) if document.get(name) is not None}


def _owner(connection: Connection, document: Document) -> int:
    wanted = str(document.get("registeredModelId", ""))
    if not re.fullmatch("[0-9]{1,18}", wanted):
        raise BadInput("a version names its model: registeredModelId")
    return int(get(connection, MODEL, int(wanted))["id"])


def _set_properties(connection: Connection, kind: Kind, number: int, custom: Mapping[str, Document]) -> None:
    """Replace the custom properties; those of lineage go to their columns as well."""
    connection.execute(delete(properties).where(properties.c.kind == kind.word, properties.c.owner == number))
    rows = [
        {
            "kind": kind.word,
            "owner": number,
            "name": name,
            "type": value["metadataType"],
            "value": value,
            **_asked(value),
        }
        for name, value in custom.items()
    ]
    if rows:
        connection.execute(insert(properties), rows)
    if kind is VERSION:
        said: Document = {name: _text(custom, name) for name in LINEAGE if name in custom}
        if PARENT in custom:
            said["parent"] = _parent(connection, number, _text(custom, PARENT))
        if said:
            connection.execute(update(versions).where(versions.c.number == number).values(**said))


def _asked(value: Document) -> Document:
    """What a property can be searched by."""
    match value["metadataType"]:
        case "MetadataStringValue":
            return {"tag": value["string_value"][:256], "number": None}
        case "MetadataIntValue":
            return {"tag": None, "number": float(value["int_value"])}
        case "MetadataDoubleValue":
            return {"tag": None, "number": value["double_value"]}
        case "MetadataBoolValue":
            return {"tag": str(value["bool_value"]).lower(), "number": None}
        case _:
            return {"tag": None, "number": None}


def _text(custom: Mapping[str, Document], name: str) -> str:
    longest = 1024 if name == "training_run" else 71 if name != PARENT else 256
    found = custom[name].get("string_value", "")
    if len(found) > longest:
        raise BadInput(f"{name} has at most {longest} signs")
    return str(found)


def _parent(connection: Connection, number: int, name: str) -> int | None:
    """Number of the version `name` of the same model."""
    mine = select(versions.c.model).where(versions.c.number == number).scalar_subquery()
    query = select(versions.c.number).where(versions.c.model == mine, versions.c.name == name)
    return connection.execute(query).scalar_one_or_none()
