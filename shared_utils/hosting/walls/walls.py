"""The walls of all mounts of one process: what they share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

from shared_utils.hosting.cookies import Headers
from shared_utils.hosting.settings.mounts import Mount
from shared_utils.hosting.settings.schema import Host
from shared_utils.hosting.walls.bulkhead import Bulkhead
from shared_utils.hosting.walls.deadline import Terms, Watchdog


@dataclasses.dataclass(frozen=True, kw_only=True)
class Walls:
    """What stands between the mounts of one process.

    Attributes:
        bulkhead: slots and threads.
        watchdog: deadlines.
        debug: no deadlines, and errors are passed on for a debugger to show.
    """

    bulkhead: Bulkhead
    watchdog: Watchdog
    debug: bool = False

    @classmethod
    def around(cls, mounts: Iterable[Mount], host: Host, *, debug: bool = False) -> Walls:
        """Return the walls of these mounts."""
        limits = {mount.name: mount.limits for mount in mounts}
        return cls(
            bulkhead=Bulkhead(host.slots, host.threads, limits), watchdog=Watchdog(), debug=debug
        )

    def terms(self, mount: Mount, scoped: Callable[[Headers, str], Headers] | None = None) -> Terms:
        """Return the terms of this mount; ``scoped`` is as they have it."""
        limits = mount.limits
        if self.debug:
            return Terms(mount, self.watchdog, scoped=scoped, debug=True)
        return Terms(mount, self.watchdog, limits.deadline, limits.stream_deadline, scoped)

    def reset_after_fork(self) -> None:
        """Begin anew in a forked process, where nothing runs."""
        self.bulkhead.reset()
        self.watchdog.reset()
