"""Reports lie in the order in which they came.

In SQLite they lay by device, so that each of a batch of 100 wrote a page of its own. Revision: 0003, after 0002.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """From the revision before to this one."""
    if op.get_bind().dialect.name == "sqlite":
        with op.batch_alter_table("reports", recreate="always", table_kwargs={"sqlite_with_rowid": True}):
            pass
