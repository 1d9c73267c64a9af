"""Run by Alembic, on the connection and in the transaction that `migrate.py` has opened."""

from alembic import context

from edgewise.core.database.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,
    render_as_batch=True,
)
context.run_migrations()
