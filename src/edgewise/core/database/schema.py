"""Tables, and an index for every question that a page or a device asks. Moments are whole seconds since 1970 (UTC).

Names of columns carry their unit. A moment that has not come is 0, so that it can stand in an index of either
database and is compared without a thought for NULL.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
NUMBER = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up INTEGER keys alone
DIGEST, ID, NAME, MOMENT = String(71), String(32), String(128), BigInteger


def _number() -> Column[int]:
    return Column("number", NUMBER, Identity(), primary_key=True)


# --- Devices ------------------------------------------------------------------------------------

devices = Table(
    "devices",
    metadata,
    Column("id", ID, primary_key=True),
    Column("public_key", LargeBinary(32), nullable=False),
    Column("site", NAME, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("enrolled_s", MOMENT, nullable=False),
    Column("revoked_s", MOMENT, nullable=False, server_default="0"),
    Column("heard_s", MOMENT, nullable=False, server_default="0"),  # by the hub's clock
    # What its newest report says; sequence is -1 before the first.
    Column("sequence", BigInteger, nullable=False, server_default="-1"),
    Column("time_s", MOMENT, nullable=False, server_default="0"),  # by its own clock
    Column("status", String(16), nullable=False, server_default="Offline"),
    Column("reason", Text, nullable=False, server_default=""),
    Column("booted", DIGEST, nullable=False, server_default=""),
    Column("staged", DIGEST, nullable=False, server_default=""),
    Column("rollback", DIGEST, nullable=False, server_default=""),
    Column("rejected", JSON, nullable=False, default=list),
    Column("agent_version", String(64), nullable=False, server_default=""),
    Column("figures", JSON, nullable=False, default=dict),
    # Since when it was heard to run `booted`, by the hub's clock, and the last figures of what it ran before.
    Column("booted_s", MOMENT, nullable=False, server_default="0"),
    Column("figures_before", JSON, nullable=False, default=dict, server_default="{}"),
    # Reports up to here are no longer kept: what comes late is not looked up.
    Column("pruned_sequence", BigInteger, nullable=False, server_default="-1"),
    Index("ix_devices_counted", "revoked_s", "site", "status", "heard_s"),
    Index("ix_devices_of_status", "revoked_s", "status", "id"),
    Index("ix_devices_of_site", "revoked_s", "site", "id"),
    Index("ix_devices_booted", "booted", "site", "status", "heard_s"),
)

reports = Table(
    "reports",
    metadata,
    Column("device", ID, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("id", ID, nullable=False),
    Column("time_s", MOMENT, nullable=False),
    Column("heard_s", MOMENT, nullable=False),
    Column("status", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("booted", DIGEST, nullable=False),
    Column("staged", DIGEST, nullable=False),
    Column("figures", JSON, nullable=False),
    Column("log", JSON, nullable=False),
    UniqueConstraint("id"),
    Index("ix_reports_heard_s", "heard_s"),
)

cases = Table(
    "cases",
    metadata,
    Column("id", ID, primary_key=True),
    Column("device", ID, nullable=False),
    Column("site", NAME, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("time_s", MOMENT, nullable=False),
    Column("heard_s", MOMENT, nullable=False),
    Column("release", DIGEST, nullable=False),
    Column("model", NAME, nullable=False),
    Column("why", Text, nullable=False),
    Column("prediction", Text, nullable=False),
    Column("confidence", Float),
    Column("input_digest", DIGEST, nullable=False),
    Column("input_media_type", NAME, nullable=False),
    Column("state", String(16), nullable=False, server_default="Open"),
    Column("answer", Text, nullable=False, server_default=""),
    Column("answered_by", NAME, nullable=False, server_default=""),
    Column("answered_s", MOMENT, nullable=False, server_default="0"),
    Index("ix_cases_listed", "state", "heard_s", "id"),
    Index("ix_cases_of_site", "site", "state", "heard_s", "id"),
    Index("ix_cases_of_model", "model", "state", "heard_s", "id"),
    Index("ix_cases_device", "device", "heard_s"),
    Index("ix_cases_input_digest", "input_digest"),
)

inputs = Table(
    "inputs",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("heard_s", MOMENT, nullable=False),
)

# --- Who may do what, and who did ---------------------------------------------------------------

enrolment_tokens = Table(
    "enrolment_tokens",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("site", NAME, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("made_by", NAME, nullable=False),
    Column("made_s", MOMENT, nullable=False),
    Column("expires_s", MOMENT, nullable=False),
    Column("used_s", MOMENT, nullable=False, server_default="0"),
    Column("used_by", ID, nullable=False, server_default=""),
)

user_tokens = Table(
    "user_tokens",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("user", NAME, nullable=False),
    Column("role", String(16), nullable=False),
    Column("made_s", MOMENT, nullable=False),
    Column("expires_s", MOMENT, nullable=False),
    Column("revoked_s", MOMENT, nullable=False, server_default="0"),
    Index("ix_user_tokens_user", "user"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("token_hash", String(64), nullable=False),
    Column("expires_s", MOMENT, nullable=False),
    Index("ix_sessions_expires_s", "expires_s"),
    Index("ix_sessions_token_hash", "token_hash"),
)

audit = Table(
    "audit",
    metadata,
    _number(),
    Column("at_s", MOMENT, nullable=False),
    Column("who", NAME, nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(256), nullable=False),
    Column("details", JSON, nullable=False),
    Index("ix_audit_subject", "subject", "number"),
)

# --- Models -------------------------------------------------------------------------------------

models = Table(
    "models",
    metadata,
    _number(),
    Column("name", String(256), nullable=False),
    Column("external_id", String(256)),
    Column("description", Text, nullable=False, server_default=""),
    Column("owner", NAME, nullable=False, server_default=""),
    Column("state", String(16), nullable=False, server_default="LIVE"),
    Column("details", JSON, nullable=False, default=dict),  # what Kubeflow's API knows beside these
    Column("made_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    UniqueConstraint("name"),
    UniqueConstraint("external_id"),
)

versions = Table(
    "versions",
    metadata,
    _number(),
    Column("model", NUMBER, ForeignKey("models.number"), nullable=False),
    Column("name", String(256), nullable=False),
    Column("external_id", String(256)),
    Column("description", Text, nullable=False, server_default=""),
    Column("author", NAME, nullable=False, server_default=""),
    Column("state", String(16), nullable=False, server_default="LIVE"),
    Column("details", JSON, nullable=False, default=dict),
    # Where it comes from.
    Column("data_digest", DIGEST, nullable=False, server_default=""),
    Column("training_run", String(1024), nullable=False, server_default=""),
    Column("design_report", DIGEST, nullable=False, server_default=""),
    Column("parent", NUMBER, ForeignKey("versions.number")),
    Column("made_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    UniqueConstraint("model", "name"),
    UniqueConstraint("external_id"),
    Index("ix_versions_data_digest", "data_digest"),
    Index("ix_versions_parent", "parent"),
)

aliases = Table(
    "aliases",
    metadata,
    Column("model", NUMBER, ForeignKey("models.number"), primary_key=True),
    Column("alias", String(256), primary_key=True),
    Column("version", NUMBER, ForeignKey("versions.number"), nullable=False),
    Index("ix_aliases_version", "version"),
)

# Tags are texts, metrics are numbers: Kubeflow's custom properties, which may be either, are both.
properties = Table(
    "properties",
    metadata,
    Column("kind", String(16), primary_key=True),  # model, version, artifact
    Column("owner", NUMBER, primary_key=True),
    Column("name", String(256), primary_key=True),
    Column("type", String(32), nullable=False),  # Kubeflow's metadataType
    Column("value", JSON, nullable=False),  # exactly as it came
    Column("tag", String(256)),  # of a text, its beginning
    Column("number", Float),  # of a metric
    Index("ix_properties_tag", "kind", "name", "tag"),
    Index("ix_properties_number", "kind", "name", "number"),
)

artifacts = Table(
    "artifacts",
    metadata,
    _number(),
    Column("version", NUMBER, ForeignKey("versions.number")),
    Column("type", String(32), nullable=False),  # Kubeflow's artifactType
    Column("name", String(256), nullable=False, server_default=""),
    Column("external_id", String(256)),
    Column("uri", Text, nullable=False, server_default=""),
    Column("digest", DIGEST, nullable=False, server_default=""),
    Column("description", Text, nullable=False, server_default=""),
    Column("state", String(32), nullable=False, server_default="UNKNOWN"),
    Column("details", JSON, nullable=False, default=dict),
    Column("made_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    UniqueConstraint("external_id"),
    Index("ix_artifacts_version", "version"),
    Index("ix_artifacts_digest", "digest"),
)

reports_of_designs = Table(
    "design_reports",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("media_type", NAME, nullable=False),
)

# --- Releases -----------------------------------------------------------------------------------

releases = Table(
    "releases",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("site", NAME, nullable=False),
    Column("version", NAME, nullable=False),
    Column("model_name", NAME, nullable=False),
    Column("model_version", NAME, nullable=False),
    Column("model_digest", DIGEST, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("published_s", MOMENT, nullable=False),
    Column("published_by", NAME, nullable=False),
    Index("ix_releases_site", "site", "published_s"),
    Index("ix_releases_model", "model_name", "model_version"),
)

rollouts = Table(
    "rollouts",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("site", NAME, nullable=False),
    Column("release", DIGEST, nullable=False),
    Column("state", String(16), nullable=False),
    Column("stages", JSON, nullable=False),
    Column("stage", Integer, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("started_s", MOMENT, nullable=False),
    Column("changed_s", MOMENT, nullable=False),
    Column("abort_wanted_by", NAME, nullable=False, server_default=""),
    Index("ix_rollouts_started_s", "started_s"),
)
