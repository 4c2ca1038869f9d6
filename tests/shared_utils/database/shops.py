"""Small apps with a database: what the tests of this folder work on."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask

from tests.conftest import Modules

SHOP = """
    import datetime
    from decimal import Decimal
    from flask import Flask
    from sqlalchemy import ForeignKey, MetaData
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
    from shared_utils.database import NAMING_CONVENTION, Database, ExactDecimal, UtcDateTime

    class Base(DeclarativeBase):
        metadata = MetaData(naming_convention=NAMING_CONVENTION)

    class Item(Base):
        __tablename__ = "{name}_item"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(default="")
        stock: Mapped[int] = mapped_column(default=0)
        price: Mapped[Decimal | None] = mapped_column(ExactDecimal)
        sold_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)

    class Note(Base):
        __tablename__ = "{name}_note"
        id: Mapped[int] = mapped_column(primary_key=True)
        item_id: Mapped[int] = mapped_column(ForeignKey("{name}_item.id", ondelete="CASCADE"))

    db = Database(Base.metadata)

    def create_app(url, **config):
        app = Flask(__name__, instance_path={instance!r})
        app.config.update(DATABASE_URL=url, **config)
        db.init_app(app)
        return app
"""

MIGRATION = """
    import sqlalchemy as sa
    from alembic import op
    from shared_utils.database import ExactDecimal, UtcDateTime

    revision = "1"
    down_revision = None

    def upgrade():
        op.create_table(
            "{name}_item",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("name", sa.String, nullable=False),
            sa.Column("stock", sa.Integer, nullable=False),
            sa.Column("price", ExactDecimal),
            sa.Column("sold_at", UtcDateTime),
        )
        op.create_table(
            "{name}_note",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column(
                "item_id",
                sa.Integer,
                sa.ForeignKey("{name}_item.id", ondelete="CASCADE"),
                nullable=False,
            ),
        )
"""


class Shop:
    """An app with items and notes about them, and what its module holds."""

    def __init__(self, modules: Modules, instance: Path) -> None:
        self.modules = modules
        self.name = modules.unique("shop")
        source = SHOP.format(name=self.name, instance=str(instance))
        modules.write(source, f"{self.name}.__init__")
        self.migrate(MIGRATION.format(name=self.name))
        self.module: Any = importlib.import_module(self.name)
        self.db = self.module.db
        self.apps: list[Flask] = []

    @property
    def versions(self) -> Path:
        return self.modules.folder / self.name / "migrations" / "versions"

    def migrate(self, source: str, name: str = "first") -> None:
        self.modules.write(source, f"{self.name}.migrations.versions.{name}")

    def app(self, url: str, **config: Any) -> Flask:
        made: Flask = self.module.create_app(url, **config)
        self.apps.append(made)
        return made

    def close(self) -> None:
        for app in self.apps:
            with app.app_context():
                self.db.engine.dispose()


OpenShop = Callable[[], Shop]
