"""What Alembic runs for every command; all that it has to know was put into its config."""

from alembic import context

context.configure(**context.config.attributes["options"])
context.run_migrations()
