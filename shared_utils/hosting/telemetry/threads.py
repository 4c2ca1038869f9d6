"""Threads that a request starts log as it does: with its id, its app and its trace.

``threading.Thread.start`` and ``ThreadPoolExecutor.submit`` are wrapped for the whole process. They
carry these three values and nothing else: what an app keeps in its own context variables, Flask's
request included, is in a new thread what it is without Rowhouse. A thread that is started outside
of a request carries nothing.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from shared_utils.logging import CONTEXT

_MARK = "rowhouse_carries"
_Values = tuple[str, ...]


def carry() -> None:
    """Have new threads log as those that start them. May be called as often as one likes."""
    _wrap(threading.Thread, "start", _starting)
    _wrap(ThreadPoolExecutor, "submit", _submitting)


def _wrap(owner: Any, name: str, wrapping: Callable[[Any], Any]) -> None:
    present = getattr(owner, name)
    # By a name: older code, which a reload has replaced, may have wrapped it.
    if not hasattr(present, _MARK):
        wrapped = functools.wraps(present)(wrapping(present))
        setattr(wrapped, _MARK, True)
        setattr(owner, name, wrapped)


def _starting(start: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    def starting(self: threading.Thread) -> None:
        values = _here()
        if any(values):
            run = self.run

            def running() -> None:
                vars(self).pop("run", None)  # twice, where the first start has failed
                _set(values)
                run()

            self.run = running  # type: ignore[method-assign]
        start(self)

    return starting


def _submitting(submit: Callable[..., Future[Any]]) -> Callable[..., Future[Any]]:
    def submitting(
        self: ThreadPoolExecutor, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Future[Any]:
        return submit(self, _Carrying(function, _here()), *args, **kwargs)

    return submitting


class _Carrying:
    """A job of a pool, whose threads serve one request after the other."""

    __slots__ = ("_function", "_values")

    def __init__(self, function: Callable[..., Any], values: _Values) -> None:
        self._function, self._values = function, values

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        before = _here()
        _set(self._values)
        try:
            return self._function(*args, **kwargs)
        finally:
            _set(before)


def _here() -> _Values:
    return tuple(variable.get() for variable in CONTEXT)


def _set(values: _Values) -> None:
    for variable, value in zip(CONTEXT, values, strict=True):
        variable.set(value)
