"""Values that a field chooses from."""

from __future__ import annotations

import enum


class Role(enum.StrEnum):
    """What a user may do."""

    USER = "user"
    OPERATOR = "operator"

    @property
    def implied(self) -> frozenset[str]:
        """Return it, and the roles that come with it."""
        return frozenset({Role.USER.value, self.value})
