"""Apps as a process of the pool has built them, each when it is first needed there.

A process of the pool can be replaced, so a build that hangs ends it: ``faulthandler`` writes where
it hung, from a thread of C that nothing in Python can hold up.
"""

from __future__ import annotations

import contextlib
import dataclasses
import faulthandler
import sys
import threading
from collections.abc import Iterator
from time import monotonic

from flask import Flask

from shared_utils.hosting import building, modules
from shared_utils.hosting.settings.mistakes import ConfigError
from shared_utils.hosting.settings.mounts import Mount, Settings
from shared_utils.hosting.settings.table import reread
from shared_utils.logging import app_name
from shared_utils.sibling import Neighbour

PAUSE = 5.0
"""Seconds in which an app that could not be built is not tried again in this process."""


class NotBuilt(Exception):
    """The app of a task cannot be built now."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Elsewhere:
    """A neighbour as a worker sees it: it is mounted somewhere, and not built here."""

    mount: Mount
    state: str = "lazy"
    is_built: bool = False
    flask_app: Flask | None = None


_settings: Settings | None = None
_built: dict[str, Flask] = {}
_failed: dict[str, tuple[float, str]] = {}
_lock = threading.RLock()


def begin(settings: Settings) -> None:
    """Take the settings for what is built later, in this process and those forked from it."""
    global _settings
    _settings = settings


def app_of(name: str) -> Flask:
    """Return the app of a mount, built at the first call in this process.

    Raises:
        NotBuilt: it could not be built; why is in its cause, or was so a moment ago.
    """
    with _lock:
        if name not in _built:
            until, why = _failed.get(name, (0.0, ""))
            if monotonic() < until:
                raise NotBuilt(f"{name} cannot be built: {why}")
            _built[name] = _build(name)
            _failed.pop(name, None)
        return _built[name]


@contextlib.contextmanager
def context_of(name: str) -> Iterator[Flask]:
    """Enter an app's own context, with its name on every log line."""
    token = app_name.set(name)
    try:
        app = app_of(name)
        with app.app_context():
            yield app
    finally:
        app_name.reset(token)


def _build(name: str) -> Flask:
    if _settings is None:
        raise NotBuilt("no settings; this is no worker")
    mount = reread(_settings, name) or _settings.find(name)
    if mount is None:
        raise NotBuilt(f"there is no mount {name!r}")
    loaded_before = modules.loaded(mount.package)
    row: dict[str, Neighbour] = {m.name: _Elsewhere(mount=m) for m in _settings.mounts}
    try:
        with _no_longer_than(mount.limits.startup_timeout):
            built = building.build(building.Site(mount=mount, settings=_settings, row=row))
        if not isinstance(built, Flask):
            raise NotBuilt(f"{mount.shown_target} is no Flask app, and has no context for a task")
    except BaseException as error:  # whatever an app raises at import, SystemExit included
        with contextlib.suppress(Exception):
            modules.drop(mount.package, loaded_before)
        why = str(error) if isinstance(error, ConfigError | NotBuilt) else repr(error)
        _failed[name] = (monotonic() + PAUSE, why)
        raise NotBuilt(f"{name} cannot be built: {why}") from error
    return built


@contextlib.contextmanager
def _no_longer_than(seconds: float) -> Iterator[None]:
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or sys.stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
