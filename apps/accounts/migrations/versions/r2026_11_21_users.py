"""Users."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared_utils.database import UtcDateTime

revision = "3f0c1f5a7d21"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "user",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column(
            "role", sa.Enum("user", "operator", name="role", native_enum=False), nullable=False
        ),
        sa.Column("must_change_password", sa.Boolean(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user")),
        sa.UniqueConstraint("name", name=op.f("uq_user_name")),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Drop the table: there was none."""
    op.drop_table("user")
