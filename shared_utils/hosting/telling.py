"""Tell what went wrong in an app, whatever the app has made of it."""

from __future__ import annotations

import contextlib
import logging
import threading
import traceback


def told(error: BaseException) -> tuple[str, str]:
    """Return an error in a few words and as a traceback; the app may have made it hard to tell."""
    name = type.__getattribute__(type(error), "__name__")
    try:
        return f"{name}: {error}", "".join(traceback.format_exception(error)).rstrip()
    except BaseException:
        return name, f"Traceback (most recent call last):\n  (cannot be told)\n{name}"


def say_aside(
    logger: logging.Logger,
    level: int,
    message: str,
    *values: object,
    extra: dict[str, str] | None = None,
) -> None:
    """Log in a thread of its own.

    A handler may hang, or raise; app code that hangs inside of ``logging`` holds its lock. None
    of it may stop the thread that has something to say.
    """

    def write() -> None:
        with contextlib.suppress(BaseException):
            logger.log(level, message, *values, extra=extra)

    with contextlib.suppress(RuntimeError):  # the machine has no thread left
        threading.Thread(target=write, name="rowhouse-log", daemon=True).start()
