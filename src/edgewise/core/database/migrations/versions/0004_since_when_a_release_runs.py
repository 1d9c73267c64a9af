"""Since when a device was heard to run what it runs, and what it counted last before it.

Revision: 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From the revision before to this one."""
    with op.batch_alter_table("devices", schema=None) as batch_op:
        batch_op.add_column(sa.Column("booted_s", sa.BigInteger(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("figures_before", sa.JSON(), server_default="{}", nullable=False))
