"""Trades of users.

A file from before there were migrations has its table ``trade`` already, without owners: its trades
are taken over with their ids, and belong to nobody.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared_utils.database import ExactDecimal

revision = "6401fe10d79f"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, and fill it with what was there before."""
    bind = op.get_bind()
    found = bind.dialect.name == "sqlite" and sa.inspect(bind).has_table("trade")
    if found:
        op.rename_table("trade", "trade_without_owner")
    op.create_table(
        "trade",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("side", sa.Enum("buy", "sell", name="side", native_enum=False), nullable=False),
        sa.Column("quantity", ExactDecimal(), nullable=False),
        sa.Column("price", ExactDecimal(), nullable=False),
        sa.Column("traded_on", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trade")),
        sqlite_autoincrement=True,
    )
    if found:
        columns = "id, symbol, side, quantity, price, traded_on"
        op.execute(
            f"INSERT INTO trade (owner, {columns}) SELECT '', {columns} FROM trade_without_owner"
        )
        op.drop_table("trade_without_owner")  # and its indexes
    op.create_index("ix_trade_owner_newest", "trade", ["owner", "traded_on", "id"])
    op.create_index("ix_trade_owner_symbol_newest", "trade", ["owner", "symbol", "traded_on", "id"])


def downgrade() -> None:
    """Drop the table: there was none."""
    op.drop_table("trade")
