"""The app's database. The models of every service are of this ``Base``."""

from __future__ import annotations

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

from shared_utils.database import NAMING_CONVENTION, Database


class Base(DeclarativeBase):
    """What all models have in common."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


db = Database(Base.metadata)
