"""What the metrics of the moment tell of one mount."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class State:
    """What one mount is at the moment, in this process.

    Attributes:
        running: slots that it has.
        parked: requests that wait for one.
        is_up: it can be served, or would be built by its first request.
        build_seconds: how long its last build took; None where there was none.
    """

    running: int
    parked: int
    is_up: bool
    build_seconds: float | None
