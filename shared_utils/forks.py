"""What has to begin anew in a forked process: locks, connections, threads that are not there."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable


def call_in_child(method: Callable[[], object]) -> None:
    """Have a bound method called in every process that is forked, while its object lives."""
    forked = weakref.WeakMethod(method)
    os.register_at_fork(after_in_child=lambda: (call := forked()) and call())
