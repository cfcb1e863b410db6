"""Alembic's entry: runs the migrations on the connection that `run.upgrade` was given."""

from alembic import context

from soutu.adapters.catalog.tables import SCHEMA

context.configure(
    connection=context.config.attributes["connection"], target_metadata=SCHEMA, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
