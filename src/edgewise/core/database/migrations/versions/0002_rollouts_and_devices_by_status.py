"""Rollouts, and devices by status.

Revision: 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From the revision before to this one."""
    op.create_table(
        "rollouts",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("site", sa.String(length=128), nullable=False),
        sa.Column("release", sa.String(length=71), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("stages", sa.JSON(), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("started_s", sa.BigInteger(), nullable=False),
        sa.Column("changed_s", sa.BigInteger(), nullable=False),
        sa.Column("abort_wanted_by", sa.String(length=128), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_rollouts")),
    )
    with op.batch_alter_table("rollouts", schema=None) as batch_op:
        batch_op.create_index("ix_rollouts_started_s", ["started_s"], unique=False)

    with op.batch_alter_table("devices", schema=None) as batch_op:
        batch_op.create_index("ix_devices_of_site", ["revoked_s", "site", "id"], unique=False)
        batch_op.create_index("ix_devices_of_status", ["revoked_s", "status", "id"], unique=False)
