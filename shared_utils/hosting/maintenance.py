"""Mounts that the operator has closed for a while: one file for each, in ``instance/maintenance``.

A file's name is the mount's, its content what clients are told. Every worker looks at the folder
by itself, when a request comes and the last look is a while ago: there is nothing to signal, and
nothing to lose at a restart.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import monotonic

from shared_utils.hosting.settings import names

logger = logging.getLogger(__name__)

FOLDER = "maintenance"
"""Its name below ``instance/``."""

INTERVAL = 0.5
"""Seconds that a worker goes by what it saw last."""

RETRY_AFTER = 60
"""Seconds after which a client may ask again: nobody knows when the operator will be done."""

LONGEST = 4096
"""Bytes that a message may have."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


class Maintenance:
    """Which mounts are in maintenance. One for all threads of a process, and right after a fork.

    Args:
        folder: where the files are; it may be missing.

    Attributes:
        all_open_until: up to then, ``message_for`` returns None for every mount
            (``time.monotonic()``).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._complained = False
        # When to look again, and what was seen: replaced together, so that no lock is needed.
        self._known: tuple[float, Mapping[str, str]] = (0.0, {})
        self.all_open_until = 0.0

    def message_for(self, name: str) -> str | None:
        """Return the operator's message for a mount; None while it is not in maintenance.

        The message is on one line. It is empty where the operator gave none, and where the file
        cannot be read, is too long or not UTF-8.
        """
        until, messages = self._known
        if monotonic() >= until:
            messages = self._look()
        return messages.get(name)

    def switch_on(self, name: str, message: str = "") -> None:
        """Put a mount into maintenance, with this message for its clients.

        Raises:
            ValueError: it is no name of a mount, or the message has more than ``LONGEST`` bytes.
            OSError: the file cannot be written.
        """
        path = self._path(name)
        content = message.encode("utf-8", "replace")
        if len(content) > LONGEST:
            raise ValueError(f"the message has {len(content)} bytes; write at most {LONGEST}")
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=self._folder, prefix=".")
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, 0o644)  # the host may run as another user
                file.write(content)
            Path(draft).replace(path)
        except BaseException:
            Path(draft).unlink()
            raise
        self._look_at_once()

    def switch_off(self, name: str) -> None:
        """End the maintenance of a mount; nothing happens where it is in none.

        Raises:
            ValueError: it is no name of a mount.
            OSError: the file cannot be taken away.
        """
        with contextlib.suppress(FileNotFoundError):
            self._path(name).unlink()
        self._look_at_once()

    def _path(self, name: str) -> Path:
        if not names.NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a name of a mount")
        return self._folder / name

    def _look_at_once(self) -> None:
        self._known = (0.0, self._known[1])
        self.all_open_until = 0.0

    def _look(self) -> Mapping[str, str]:
        began, messages = monotonic(), self._known[1]
        try:
            messages = messages_in(self._folder)
            self._complained = False
        except OSError as error:
            if not self._complained:
                self._complained = True
                # Its handlers may be an app's; and it is not about the app that is asked for.
                with contextlib.suppress(Exception):
                    logger.warning(
                        "cannot look into %s, maintenance stays as it is: %s",
                        self._folder,
                        error.strerror or type(error).__name__,
                        extra={"app": ""},
                    )
        self._known = (began + INTERVAL, messages)
        self.all_open_until = 0.0 if messages else began + INTERVAL
        return messages


class NoMaintenance:
    """Takes its place where nobody can close anything."""

    all_open_until = math.inf

    def message_for(self, name: str) -> None:
        """Return None."""


def default_message(title: str) -> str:
    """Return what clients are told where the operator gave no message."""
    return f"{title} is closed for maintenance."


def messages_in(folder: Path) -> dict[str, str]:
    """Return the message of each mount that is in maintenance, as :class:`Maintenance` tells it.

    Raises:
        OSError: the folder is there and cannot be read.
    """
    try:
        found = [path for path in folder.iterdir() if names.NAME.fullmatch(path.name)]
    except FileNotFoundError:
        return {}
    messages = {path.name: _read(path) for path in found}
    return {name: message for name, message in messages.items() if message is not None}


def _read(path: Path) -> str | None:
    """Return the message in a file, empty where there is none; None where the file has gone."""
    try:
        with open(path, "rb", buffering=0, opener=_without_waiting) as file:
            content = file.read(LONGEST + 1) or b""
        text = content.decode("utf-8-sig") if len(content) <= LONGEST else ""
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        return ""
    return _CONTROL.sub(" ", text).strip()


def _without_waiting(path: str, flags: int) -> int:
    """Open what may be a pipe that nobody writes to."""
    return os.open(path, flags | os.O_NONBLOCK)
