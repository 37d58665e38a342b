"""What Alembic runs to render the revisions as SQL.

Rendering only: `apply` sends the statements through the database's own driver and lock, so that no second driver, no
engine of SQLAlchemy's and no greenlet is needed at run time.
"""

from alembic import context

from setuplinks.migrations.schema import metadata

context.configure(
    dialect_name=context.config.attributes["dialect"],
    target_metadata=metadata,
    literal_binds=True,
    # The caller's transaction is the only one.
    transactional_ddl=False,
    output_buffer=context.config.attributes["statements"],
)
context.run_migrations()
