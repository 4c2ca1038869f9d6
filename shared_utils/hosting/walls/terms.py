"""What all exchanges with the app of one mount have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from shared_utils.hosting.cookies import Headers
from shared_utils.hosting.settings.mounts import Mount

if TYPE_CHECKING:
    from shared_utils.hosting.walls.deadline import Watchdog


@dataclasses.dataclass(frozen=True, slots=True)
class Terms:
    """On which an app is called.

    Attributes:
        mount: whose app it is.
        watchdog: looks at the app's time.
        deadline: seconds up to the first byte of a response; 0 for no end.
        stream_deadline: seconds for the rest of it; 0 for no end.
        scoped: given headers with cookies and the script name, returns them with the cookies'
            paths inside the mount; None: they stay as they are.
        debug: errors are passed on for a debugger to show.
    """

    mount: Mount
    watchdog: Watchdog
    deadline: float = 0
    stream_deadline: float = 0
    scoped: Callable[[Headers, str], Headers] | None = None
    debug: bool = False
