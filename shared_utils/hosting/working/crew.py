"""Which apps a worker works for, found without importing any."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from shared_utils.hosting.maintenance import FOLDER, Maintenance
from shared_utils.hosting.settings.mounts import Mount, Settings

TASKS = "tasks.py"
"""The module of a service that holds its tasks, by convention."""


class Crew:
    """The apps of a worker.

    Attributes:
        settings: those of the host.
        names: names of the served mounts that have a ``tasks.py`` somewhere in their package.
        down: apps that could not be built or swept; the sweeper says when they are well again.
        unheard: apps of which bells may have gone by: the sweeper rings for all that waits there.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.names = names_with_tasks(settings)
        self.down: set[str] = set()
        self.unheard = set(self.names)  # a worker that was killed lost its messages
        self._maintenance = Maintenance(settings.project.instance / FOLDER)

    def rests(self, name: str) -> bool:
        """Return whether nothing is done for an app now: it is down, or in maintenance.

        Its rows wait meanwhile, and are rung for afterwards.
        """
        return name in self.down or self.is_in_maintenance(name)

    def is_in_maintenance(self, name: str) -> bool:
        """Return whether the operator has closed it."""
        return self._maintenance.message_for(name) is not None


def names_with_tasks(settings: Settings) -> list[str]:
    """Return the names of the served mounts that have tasks, in order."""
    root = settings.project.root
    return [mount.name for mount in settings.mounts if _has_tasks(root, mount)]


def _has_tasks(root: Path, mount: Mount) -> bool:
    return any(any(folder.rglob(TASKS)) for folder in _folders(root, mount.package))


def _folders(root: Path, package: str) -> list[Path]:
    if package.startswith("apps."):
        return [root.joinpath(*package.split("."))]
    try:
        spec = importlib.util.find_spec(package)  # of a name without dots: it imports nothing
    except (ImportError, ValueError):
        return []
    return [Path(place) for place in (spec and spec.submodule_search_locations) or ()]
