"""The Python files of ``instance/``: ``config.py`` for all apps, ``NAME.py`` for one."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flask import Config

from shared_utils.hosting.settings.mistakes import ConfigError, Mistake

SHARED = "config.py"
_OF_ONE_APP = {
    "SECRET_KEY": "key",
    "SECRET_KEY_FALLBACKS": "key",
    "SESSION_COOKIE_NAME": "session cookie",
}


def shared(folder: Path, shown: Callable[[Path], str]) -> tuple[Mapping[str, Any], list[Mistake]]:
    """Return what ``instance/config.py`` says to all apps, and its mistakes."""
    path = folder / SHARED
    values, mistakes = _values(path, shown(path))
    mistakes += _misplaced(values, shown(path))
    for key, what in _OF_ONE_APP.items():
        if key in values:
            mistakes.append(
                Mistake(
                    file=shown(path),
                    key=key,
                    found=f"it would give all apps one {what}",
                    write=f"leave it out (each app gets a {what} of its own), or write it into "
                    f"{shown(folder)}/NAME.py for one app",
                )
            )
    return values, mistakes


def own(folder: Path, name: str, shown: Callable[[Path], str]) -> Mapping[str, Any]:
    """Return what ``instance/NAME.py`` says to one app.

    Raises:
        ConfigError: the file cannot be run.
    """
    path = folder / f"{name}.py"
    values, mistakes = _values(path, shown(path))
    mistakes += _misplaced(values, shown(path))
    if mistakes:
        raise ConfigError(mistakes)
    return values


def _misplaced(values: Mapping[str, Any], shown: str) -> list[Mistake]:
    if "APPLICATION_ROOT" not in values:
        return []
    found, write = "it follows from the prefix", "leave it out"
    return [Mistake(file=shown, key="APPLICATION_ROOT", found=found, write=write)]


def _values(path: Path, shown: str) -> tuple[dict[str, Any], list[Mistake]]:
    """Run a file of settings as Flask does, where it is there."""
    values = Config(path.parent)
    try:
        values.from_pyfile(path, silent=True)
    except OSError as error:
        fault = error.strerror or type(error).__name__
        return {}, [Mistake(file=shown, found=f"cannot be read ({fault})", write="mend it")]
    except BaseException as error:
        # The message of the error may quote a secret of the file: name its kind and place alone.
        line = next(
            (
                f.lineno
                for f in reversed(traceback.extract_tb(error.__traceback__))
                if f.filename == str(path)
            ),
            getattr(error, "lineno", None),
        )
        where = f"{shown}:{line}" if line else shown
        found = f"running it raised {type(error).__name__}"
        return {}, [Mistake(file=where, found=found, write="mend that line")]
    return dict(values), []
