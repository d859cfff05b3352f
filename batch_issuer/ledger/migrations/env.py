"""Runs migrations on the connection that the ledger has opened, inside its transaction."""

from alembic import context

from batch_issuer.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
