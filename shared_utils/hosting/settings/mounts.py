"""What settings come to: the project, its mounts, and all of them together."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared_utils.hosting.settings import schema
from shared_utils.hosting.settings.mistakes import Mistake
from shared_utils.hosting.settings.schema import Host, Limits, OperatorFile


@dataclasses.dataclass(frozen=True, kw_only=True)
class Project:
    """Where things lie.

    Attributes:
        root: folder that holds ``apps/``, ``instance/`` and the operator file.
        operator: the operator file.
        operator_given: it was named, so that it has to be there.
    """

    root: Path
    operator: Path
    operator_given: bool = False

    @classmethod
    def at(
        cls,
        root: Path,
        path: str | os.PathLike[str] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Project:
        """Return the project in ``root``, with the operator file that is asked for.

        That is ``path``, else ``ROWHOUSE_CONFIG`` of the environment, else ``rowhouse.toml``, which
        may be missing.
        """
        given = path or (os.environ if environ is None else environ).get("ROWHOUSE_CONFIG")
        operator = Path(given).resolve() if given else root / "rowhouse.toml"
        return cls(root=root, operator=operator, operator_given=bool(given))

    @property
    def instance(self) -> Path:
        """Folder of local state, never committed."""
        return self.root / "instance"

    def shown(self, path: Path) -> str:
        """Return ``path`` as messages name it: relative to the project where it lies inside."""
        inside = path.relative_to(self.root) if path.is_relative_to(self.root) else path
        return printable(str(inside))


def printable(name: str) -> str:
    """Return the name of a file as text that can be written, whatever bytes it is made of."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mount:
    """One app at one prefix, with its settings.

    Attributes:
        name: the folder in ``apps/``, or NAME of ``[mounts.NAME]``.
        prefix: where it is mounted, decoded; None where a neighbour has what it asked for.
        prefix_at: file and key, as messages name them, where the prefix is or could be said.
        target: "module:attribute" or "module:factory()".
        source: its manifest as messages name it; None for a mount outside ``apps/``.
        served: it is enabled and part of ``ROWHOUSE_ONLY``.
        manifest_config: ``[config]`` of the manifest.
        operator_config: ``[mounts.NAME.config]``.
        mistakes: what is wrong in its manifest.
        conflict: said where a neighbour has the prefix that it asks for.
    """

    name: str
    prefix: str | None
    target: str
    title: str
    prefix_at: tuple[str, str] = dataclasses.field(
        default=("rowhouse.toml", "mounts"), compare=False
    )
    description: str = ""
    owner: str = ""
    contact: str = ""
    load: str = "eager"
    cookies: str = "scoped"
    limits: Limits = dataclasses.field(default_factory=Limits)
    source: str | None = None
    served: bool = True
    required: bool = False
    identity: bool = False
    manifest_config: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    operator_config: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    mistakes: tuple[Mistake, ...] = ()
    conflict: Mistake | None = None

    @property
    def faults(self) -> tuple[Mistake, ...]:
        """Why it cannot be served; empty where nothing is wrong."""
        return (*self.mistakes, self.conflict) if self.conflict else self.mistakes

    @property
    def shown_target(self) -> str:
        """The target as it may be shown: an argument may be a secret."""
        return schema.shown_target(self.target)

    @property
    def package(self) -> str:
        """The package that is this mount's own: ``apps.trades``, or the first part elsewhere."""
        module = self.target.partition(":")[0].split(".")
        return ".".join(module[:2] if module[0] == "apps" else module[:1])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of one host: what ``config.load_settings()`` returns.

    Attributes:
        project: where things lie.
        host: ``[host]`` of the operator file.
        known: every mount, in order of names, those not served as well.
        operator: the operator file, as read.
        only: names in ``ROWHOUSE_ONLY``; None where it is not set.
        shared_config: what ``instance/config.py`` says.
        defaults: what ``config.Config`` says, the lowest layer of every app's config.
    """

    project: Project
    host: Host
    known: tuple[Mount, ...]
    operator: OperatorFile = dataclasses.field(repr=False)
    only: frozenset[str] | None = None
    shared_config: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """The mounts that this host serves, in order of names."""
        return tuple(mount for mount in self.known if mount.served)

    def find(self, name: str) -> Mount | None:
        """Return the mount of this name, served or not."""
        return next((mount for mount in self.known if mount.name == name), None)
