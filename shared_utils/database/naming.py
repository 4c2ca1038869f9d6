"""Names of constraints and indexes, so that a migration can name what a model did not."""

from __future__ import annotations

from collections.abc import Mapping

NAMING_CONVENTION: Mapping[str, str] = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""For ``MetaData(naming_convention=...)``, which takes it as it is."""
