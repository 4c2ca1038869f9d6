"""Files that were sent in and wait for their import, in the app's instance folder."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Container
from pathlib import Path
from typing import IO

from flask import current_app

from shared_utils.sibling import sibling_of

_CHUNK = 65_536

_LEFT_BEHIND = 3600.0
"""Seconds after which a file that no job needs was left behind: its job is stored just after it."""


def folder() -> Path:
    """Return the folder, which is made on first use."""
    path = Path(current_app.instance_path, "trades-imports")
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def save(stream: IO[bytes]) -> str:
    """Store what comes, a chunk at a time; return what the file is called here.

    Whatever goes wrong, such as a client that has gone, leaves no file.
    """
    name = f"{_ours()}-{secrets.token_hex(16)}.csv"
    path = folder() / name
    try:
        with path.open("xb") as file:
            while chunk := stream.read(_CHUNK):
                file.write(chunk)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return name


def path_of(name: str) -> Path:
    """Return where a file is."""
    return folder() / name


def discard(name: str) -> None:
    """Delete a file, if it is still there."""
    path_of(name).unlink(missing_ok=True)


def discard_left_behind(needed: Container[str]) -> None:
    """Delete old files that are not ``needed``: of jobs that are over, or were never stored.

    Those alone that came by this mount: the jobs of another one may be in another database.
    """
    for path in folder().glob(f"{_ours()}-*.csv"):
        with contextlib.suppress(FileNotFoundError):
            if path.name not in needed and time.time() - path.stat().st_mtime > _LEFT_BEHIND:
                path.unlink()


def shown_name(text: str | None) -> str:
    """Return what a client calls a file, as it can be shown: its last part, without control
    characters.
    """
    last = (text or "").replace("\\", "/").rpartition("/")[2]
    return "".join(each for each in last if each.isprintable()).strip()[-100:] or "trades.csv"


def _ours() -> str:
    """Return what the names of this mount's files begin with."""
    return sibling_of(current_app).name[:24]
