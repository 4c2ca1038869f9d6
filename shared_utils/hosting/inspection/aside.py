"""Call what may run code of an app, and leave it behind where it does not come back."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 0.5
"""Seconds that it may take."""
MOST = 4
"""Calls of one app that may hang at once: the console asks again, and each keeps a thread."""

Result = TypeVar("Result")


class Aside:
    """Calls made in threads of their own, by app: one that hangs takes no neighbour's."""

    def __init__(self) -> None:
        self._threads: dict[str, list[threading.Thread]] = {}

    def call(self, app: str, function: Callable[[], Result]) -> Result | None:
        """Return what ``function`` returns; None where it raises, takes too long, or may not begin.

        Args:
            app: whose code it may run.
            function: what to call.
        """
        results: list[Result] = []

        def run() -> None:
            with contextlib.suppress(BaseException):
                results.append(function())

        hanging = [thread for thread in self._threads.get(app, ()) if thread.is_alive()]
        if len(hanging) >= MOST:
            return None
        thread = threading.Thread(target=run, name="rowhouse-inspection-aside", daemon=True)
        with contextlib.suppress(RuntimeError):  # no thread left
            thread.start()
            self._threads[app] = [*hanging, thread]
            thread.join(PATIENCE)
        return results[0] if results else None
