"""Imports, and what a trade is known by."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from alembic import op

from shared_utils.database import UtcDateTime

revision = "a3f0c5d1b27e"
down_revision = "6401fe10d79f"
branch_labels = None
depends_on = None

_KEPT = {"sqlite_autoincrement": True}
"""SQLite's table is made anew, and Alembic forgets this of it."""


def upgrade() -> None:
    """Go from the revision before to this one."""
    with op.batch_alter_table("trade", table_kwargs=_KEPT) as table:
        table.add_column(sa.Column("terms", sa.String(60), nullable=True))
        table.add_column(sa.Column("occurrence", sa.Integer(), nullable=True))
    _fill()
    with op.batch_alter_table("trade", table_kwargs=_KEPT) as table:
        table.alter_column("terms", existing_type=sa.String(60), nullable=False)
        table.alter_column("occurrence", existing_type=sa.Integer(), nullable=False)
        table.create_unique_constraint(
            "uq_trade", ["owner", "symbol", "traded_on", "terms", "occurrence"]
        )
        table.drop_index("ix_trade_owner_symbol_newest")
    op.create_table(
        "import_job",
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("filename", sa.String(255), nullable=False),
        sa.Column("upload", sa.String(64), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("known", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("queued", "running", "done", "failed", native_enum=False, length=10),
            nullable=False,
        ),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("heartbeat", UtcDateTime(), nullable=True),
        sa.Column("token", sa.String(32), nullable=True),
        sa.Column("ring_at", UtcDateTime(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created", UtcDateTime(), nullable=False),
        sa.Column("finished", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_job")),
    )
    op.create_index(op.f("ix_import_job_state"), "import_job", ["state"])
    op.create_index("ix_import_job_newest", "import_job", ["owner", "id"])
    op.create_table(
        "import_refused_row",
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["import_job.id"],
            name=op.f("fk_import_refused_row_job_id_import_job"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("job_id", "line", name=op.f("pk_import_refused_row")),
    )


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("import_refused_row")
    op.drop_table("import_job")
    op.create_index("ix_trade_owner_symbol_newest", "trade", ["owner", "symbol", "traded_on", "id"])
    with op.batch_alter_table("trade", table_kwargs=_KEPT) as table:
        table.drop_constraint("uq_trade", type_="unique")
        table.drop_column("occurrence")
        table.drop_column("terms")


def _fill() -> None:
    """Say of the trades that are there what they are known by."""
    trade = sa.table(
        "trade",
        *(sa.column(name) for name in ("id", "owner", "symbol", "side", "traded_on")),
        *(sa.column(name) for name in ("quantity", "price", "terms", "occurrence")),
    )
    connection = op.get_bind()
    seen: Counter[tuple[Any, ...]] = Counter()
    for row in connection.execute(sa.select(trade).order_by(trade.c.id)).all():
        terms = f"{row.side} {_short(row.quantity)} at {_short(row.price)}"
        key = (row.owner, row.symbol, str(row.traded_on), terms)
        seen[key] += 1
        connection.execute(
            sa.update(trade).where(trade.c.id == row.id).values(terms=terms, occurrence=seen[key])
        )


def _short(number: Any) -> str:
    text = f"{Decimal(number):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
