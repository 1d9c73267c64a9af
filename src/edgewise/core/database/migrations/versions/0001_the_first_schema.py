"""The first schema.

Revision: 0001, after None.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From the revision before to this one."""
    op.create_table(
        "audit",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("at_s", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.String(length=128), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=256), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit")),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index("ix_audit_subject", ["subject", "number"], unique=False)

    op.create_table(
        "cases",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("site", sa.String(length=128), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("time_s", sa.BigInteger(), nullable=False),
        sa.Column("heard_s", sa.BigInteger(), nullable=False),
        sa.Column("release", sa.String(length=71), nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("prediction", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=True),
        sa.Column("input_digest", sa.String(length=71), nullable=False),
        sa.Column("input_media_type", sa.String(length=128), nullable=False),
        sa.Column("state", sa.String(length=16), server_default="Open", nullable=False),
        sa.Column("answer", sa.Text(), server_default="", nullable=False),
        sa.Column("answered_by", sa.String(length=128), server_default="", nullable=False),
        sa.Column("answered_s", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
    )
    with op.batch_alter_table("cases", schema=None) as batch_op:
        batch_op.create_index("ix_cases_device", ["device", "heard_s"], unique=False)
        batch_op.create_index("ix_cases_input_digest", ["input_digest"], unique=False)
        batch_op.create_index("ix_cases_listed", ["state", "heard_s", "id"], unique=False)
        batch_op.create_index("ix_cases_of_model", ["model", "state", "heard_s", "id"], unique=False)
        batch_op.create_index("ix_cases_of_site", ["site", "state", "heard_s", "id"], unique=False)

    op.create_table(
        "design_reports",
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("media_type", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_design_reports")),
    )
    op.create_table(
        "devices",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("public_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("site", sa.String(length=128), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("enrolled_s", sa.BigInteger(), nullable=False),
        sa.Column("revoked_s", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("heard_s", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("sequence", sa.BigInteger(), server_default="-1", nullable=False),
        sa.Column("time_s", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("status", sa.String(length=16), server_default="Offline", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("booted", sa.String(length=71), server_default="", nullable=False),
        sa.Column("staged", sa.String(length=71), server_default="", nullable=False),
        sa.Column("rollback", sa.String(length=71), server_default="", nullable=False),
        sa.Column("rejected", sa.JSON(), nullable=False),
        sa.Column("agent_version", sa.String(length=64), server_default="", nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("pruned_sequence", sa.BigInteger(), server_default="-1", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
    )
    with op.batch_alter_table("devices", schema=None) as batch_op:
        batch_op.create_index("ix_devices_booted", ["booted", "site", "status", "heard_s"], unique=False)
        batch_op.create_index("ix_devices_counted", ["revoked_s", "site", "status", "heard_s"], unique=False)

    op.create_table(
        "enrolment_tokens",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("site", sa.String(length=128), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("made_by", sa.String(length=128), nullable=False),
        sa.Column("made_s", sa.BigInteger(), nullable=False),
        sa.Column("expires_s", sa.BigInteger(), nullable=False),
        sa.Column("used_s", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("used_by", sa.String(length=32), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_enrolment_tokens")),
    )
    op.create_table(
        "inputs",
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("heard_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_inputs")),
    )
    op.create_table(
        "models",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("external_id", sa.String(length=256), nullable=True),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("owner", sa.String(length=128), server_default="", nullable=False),
        sa.Column("state", sa.String(length=16), server_default="LIVE", nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_models")),
        sa.UniqueConstraint("external_id", name=op.f("uq_models_external_id")),
        sa.UniqueConstraint("name", name=op.f("uq_models_name")),
    )
    op.create_table(
        "properties",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("owner", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("tag", sa.String(length=256), nullable=True),
        sa.Column("number", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("kind", "owner", "name", name=op.f("pk_properties")),
    )
    with op.batch_alter_table("properties", schema=None) as batch_op:
        batch_op.create_index("ix_properties_number", ["kind", "name", "number"], unique=False)
        batch_op.create_index("ix_properties_tag", ["kind", "name", "tag"], unique=False)

    op.create_table(
        "releases",
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("site", sa.String(length=128), nullable=False),
        sa.Column("version", sa.String(length=128), nullable=False),
        sa.Column("model_name", sa.String(length=128), nullable=False),
        sa.Column("model_version", sa.String(length=128), nullable=False),
        sa.Column("model_digest", sa.String(length=71), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("published_s", sa.BigInteger(), nullable=False),
        sa.Column("published_by", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_releases")),
    )
    with op.batch_alter_table("releases", schema=None) as batch_op:
        batch_op.create_index("ix_releases_model", ["model_name", "model_version"], unique=False)
        batch_op.create_index("ix_releases_site", ["site", "published_s"], unique=False)

    op.create_table(
        "reports",
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("time_s", sa.BigInteger(), nullable=False),
        sa.Column("heard_s", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("booted", sa.String(length=71), nullable=False),
        sa.Column("staged", sa.String(length=71), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("log", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("device", "sequence", name=op.f("pk_reports")),
        sa.UniqueConstraint("id", name=op.f("uq_reports_id")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("reports", schema=None) as batch_op:
        batch_op.create_index("ix_reports_heard_s", ["heard_s"], unique=False)

    op.create_table(
        "sessions",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("expires_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_sessions")),
    )
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.create_index("ix_sessions_expires_s", ["expires_s"], unique=False)
        batch_op.create_index("ix_sessions_token_hash", ["token_hash"], unique=False)

    op.create_table(
        "user_tokens",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("user", sa.String(length=128), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("made_s", sa.BigInteger(), nullable=False),
        sa.Column("expires_s", sa.BigInteger(), nullable=False),
        sa.Column("revoked_s", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_user_tokens")),
    )
    with op.batch_alter_table("user_tokens", schema=None) as batch_op:
        batch_op.create_index("ix_user_tokens_user", ["user"], unique=False)

    op.create_table(
        "versions",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("model", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("external_id", sa.String(length=256), nullable=True),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("author", sa.String(length=128), server_default="", nullable=False),
        sa.Column("state", sa.String(length=16), server_default="LIVE", nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("data_digest", sa.String(length=71), server_default="", nullable=False),
        sa.Column("training_run", sa.String(length=1024), server_default="", nullable=False),
        sa.Column("design_report", sa.String(length=71), server_default="", nullable=False),
        sa.Column("parent", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.number"], name=op.f("fk_versions_model")),
        sa.ForeignKeyConstraint(["parent"], ["versions.number"], name=op.f("fk_versions_parent")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_versions")),
        sa.UniqueConstraint("external_id", name=op.f("uq_versions_external_id")),
        sa.UniqueConstraint("model", "name", name=op.f("uq_versions_model_name")),
    )
    with op.batch_alter_table("versions", schema=None) as batch_op:
        batch_op.create_index("ix_versions_data_digest", ["data_digest"], unique=False)
        batch_op.create_index("ix_versions_parent", ["parent"], unique=False)

    op.create_table(
        "aliases",
        sa.Column("model", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("alias", sa.String(length=256), nullable=False),
        sa.Column("version", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.number"], name=op.f("fk_aliases_model")),
        sa.ForeignKeyConstraint(["version"], ["versions.number"], name=op.f("fk_aliases_version")),
        sa.PrimaryKeyConstraint("model", "alias", name=op.f("pk_aliases")),
    )
    with op.batch_alter_table("aliases", schema=None) as batch_op:
        batch_op.create_index("ix_aliases_version", ["version"], unique=False)

    op.create_table(
        "artifacts",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("version", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=256), server_default="", nullable=False),
        sa.Column("external_id", sa.String(length=256), nullable=True),
        sa.Column("uri", sa.Text(), server_default="", nullable=False),
        sa.Column("digest", sa.String(length=71), server_default="", nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.String(length=32), server_default="UNKNOWN", nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["version"], ["versions.number"], name=op.f("fk_artifacts_version")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_artifacts")),
        sa.UniqueConstraint("external_id", name=op.f("uq_artifacts_external_id")),
    )
    with op.batch_alter_table("artifacts", schema=None) as batch_op:
        batch_op.create_index("ix_artifacts_digest", ["digest"], unique=False)
        batch_op.create_index("ix_artifacts_version", ["version"], unique=False)
