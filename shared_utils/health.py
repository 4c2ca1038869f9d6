"""Health checks: what an app needs in order to work, looked at in the background.

    # in create_app(), after configure_app(app)
    health.check(app, "database", db.ping)

A check passes unless it raises. ``health.Unwell`` is for what it finds itself: its words are shown
as they are, and those of any other error after the error's name. The host runs it in every worker,
in a thread of its own and inside of the app's context; results are in ``/-/ready?verbose`` and in
the operator's console. One that hangs costs that thread and nobody else. While a check of an app
fails that the operator calls ``required``, the host is not ready; of any other app it is only told.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from flask import Flask

EXTENSION = "rowhouse-health"

EVERY = 15.0
TIMEOUT = 5.0


class Unwell(Exception):
    """What a check has found to be wrong, in words for the operator.

    raise health.Unwell("the feed is three hours old")
    """


@dataclasses.dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """What an app has asked for.

    Attributes:
        name: what is checked, in a word or two for people.
        function: called without arguments; raises where it is not well.
        every: seconds from one run to the next.
        timeout: seconds after which a run counts as failed.
    """

    name: str
    function: Callable[[], object]
    every: float = EVERY
    timeout: float = TIMEOUT


def check(
    app: Flask,
    name: str,
    function: Callable[[], object],
    *,
    every: float = EVERY,
    timeout: float = TIMEOUT,
) -> None:
    """Have ``function`` called in the background, again and again.

    Args:
        app: a Flask app, made by its factory a moment ago.
        name: what is checked; of two with one name, the later counts.
        function: called without arguments in the app's context; what it raises is shown to the
            operator, in one line, so it should not say secrets.
        every: seconds from one run to the next, above 0.
        timeout: seconds after which a run counts as failed, above 0.

    Raises:
        ValueError: a number is not above 0, or the name is empty.
    """
    for key, seconds in (("every", every), ("timeout", timeout)):
        if not (seconds > 0 and math.isfinite(seconds)):
            raise ValueError(f"{key} is {seconds!r}; write seconds above 0")
    if not name:
        raise ValueError('name is empty; say what is checked, such as "database"')
    made = HealthCheck(name=name, function=function, every=every, timeout=timeout)
    app.extensions.setdefault(EXTENSION, {})[name] = made


def checks_of(app: Flask) -> list[HealthCheck]:
    """Return the checks that an app has asked for."""
    held = app.extensions.get(EXTENSION)
    return [made for made in held.values() if isinstance(made, HealthCheck)] if held else []
