"""What is wrong in a file of settings, said so that the reader can mend it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mistake:
    """One thing to mend.

    Attributes:
        file: the file as the reader knows it, relative to the project where it lies inside.
        key: dotted path of the key; empty where the file as a whole is meant.
        found: what stands there, never a secret.
        write: what to write instead.
    """

    file: str
    key: str = ""
    found: str
    write: str

    @property
    def about(self) -> str | None:
        """Name of the one mount that it is about; None where it is about the host."""
        if self.file == "ROWHOUSE_ONLY":
            return ""
        table, _, rest = self.key.partition(".")
        return rest.partition(".")[0] if table == "mounts" and rest else None

    def __str__(self) -> str:
        place = f"{self.file}: {self.key}" if self.key else self.file
        return f"{place}: {self.found}; {self.write}"


class ConfigError(Exception):
    """Settings cannot be used. ``mistakes`` holds every one of them, ``str()`` lists them all."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__(self.mistakes)

    def __str__(self) -> str:
        count = len(self.mistakes)
        head = "1 mistake in the settings" if count == 1 else f"{count} mistakes in the settings"
        return "\n  ".join([f"{head}:", *map(str, self.mistakes)])
