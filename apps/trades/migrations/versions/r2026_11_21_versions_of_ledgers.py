"""Versions of ledgers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "c58e21f7a940"
down_revision = "a3f0c5d1b27e"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; a ledger without a version has not changed since."""
    op.create_table(
        "ledger_version",
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("version", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_ledger_version")),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("ledger_version")
