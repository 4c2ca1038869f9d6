"""For tests of apps: bells that are written down instead of being rung.

with recorded() as rung:
client.post("/imports", ...)
assert rung == [("trades.imports.run", 1)]
run(1)                                     # what a worker would do, in the test's app context
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from shared_utils.tasks import bells


@contextlib.contextmanager
def recorded() -> Iterator[list[tuple[Any, ...]]]:
    """Send no message; give a list of what was rung: the task's name, then its arguments."""
    rung: list[tuple[Any, ...]] = []

    def send(app: str, name: str, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        rung.append((name, *args, *kwargs.values()))

    earlier, bells.send = bells.send, send
    try:
        yield rung
    finally:
        bells.send = earlier
