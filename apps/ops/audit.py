"""Who has done what: a line of JSON for each action, in ``instance/ops-audit.jsonl``.

Lines are only ever added. The file is opened before something is done: where that fails, nothing
is. Where the disk is full by the time that it is written to, the host's log has what was done, and
the page says so.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from flask import current_app, request

from shared_utils.identity import current_identity
from shared_utils.logging import request_id

FILE = "ops-audit.jsonl"

SHOWN = 200
"""Entries that the page shows."""
_TAIL = 512 * 1024
"""Bytes at the end of the file that are looked at for them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """One action.

    Attributes:
        at: when, in ISO 8601, UTC.
        who: name of the operator; ``who_id``: their id.
        action: ``close``, ``open`` or ``rebuild``.
        app: name of the mount.
        outcome: what came of it.
        message: what was said along with it.
        client: address that it came from.
        request_id: id of the request, to find its log lines by.
    """

    at: str
    who: str
    who_id: str
    action: str
    app: str
    outcome: str
    message: str = ""
    client: str = ""
    request_id: str = ""

    @property
    def moment(self) -> float:
        """When, as ``time.time()`` has it."""
        return datetime.datetime.fromisoformat(self.at).timestamp()


def path() -> Path:
    """Return where the log is."""
    return Path(current_app.instance_path) / FILE


def act(action: str, app: str, do: Callable[[], str], *, message: str = "") -> str:
    """Do something, and write down what came of it; return that.

    Where it could not be written any more, what is returned says so as well.

    Args:
        action: what it is called.
        app: name of the mount.
        do: does it and says what came of it.
        message: what is said along with it.

    Raises:
        OSError: the log cannot be opened; nothing was done.
        Exception: what ``do`` raises, which is written down likewise.
    """
    with _opened() as file:
        try:
            outcome = do()
        except Exception as error:
            _write(file, action, app, f"failed: {error}", message)
            raise
        return outcome + _write(file, action, app, outcome, message)


def entries() -> list[Entry]:
    """Return the last entries, newest first; none where there is no log."""
    try:
        with path().open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            lines = file.read().splitlines()
    except FileNotFoundError:
        return []
    found: list[Entry] = []
    for line in reversed(lines):
        with contextlib.suppress(ValueError, TypeError):  # cut off where the tail begins
            entry = Entry(**json.loads(line))
            datetime.datetime.fromisoformat(entry.at)
            found.append(entry)
        if len(found) == SHOWN:
            break
    return found


@contextlib.contextmanager
def _opened() -> Iterator[BinaryIO]:
    path().parent.mkdir(parents=True, exist_ok=True)
    with open(path(), "a+b", buffering=0, opener=lambda p, flags: os.open(p, flags, 0o600)) as file:
        yield file


def _ends_with_a_line(file: BinaryIO) -> bool:
    size = os.fstat(file.fileno()).st_size
    return not size or os.pread(file.fileno(), 1, size - 1) == b"\n"


def _write(file: BinaryIO, action: str, app: str, outcome: str, message: str) -> str:
    """Write one line, in one call: lines of two workers do not mix.

    Where there is no room for it, the host's log has it: what it tells of is done by then. Returns
    what to say of that, which is empty where it was written.
    """
    who = current_identity()
    entry = Entry(
        at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        who=who.name if who else "",
        who_id=who.id if who else "",
        action=action,
        app=app,
        outcome=outcome,
        message=message,
        client=request.remote_addr or "",
        request_id=request_id.get(),
    )
    told = json.dumps(dataclasses.asdict(entry))
    line = told.encode() + b"\n"
    if not _ends_with_a_line(file):  # there was no room for the rest of it
        line = b"\n" + line
    try:
        if file.write(line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        current_app.logger.error("%s cannot be written (%s), and lacks: %s", FILE, error, told)
        return f"; the audit log could not be written ({error})"
    return ""
