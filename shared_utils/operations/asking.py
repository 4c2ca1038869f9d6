"""A worker is asked over a unix socket of its own: a line of JSON there, a line of JSON back.

A worker that hangs accepts nothing, or answers nothing: whoever asks waits no longer than it wants
to. One that has ended has left its socket, to which nobody listens: it is taken away.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import selectors
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

SUFFIX = ".sock"

PATIENCE = 1.0
"""Seconds that all workers together may take to answer."""
LONGEST_QUESTION = 16 * 1024
"""Bytes."""
LONGEST_ANSWER = 4 * 1024 * 1024
"""Bytes."""

NOTHING = {"ask": "nothing"}
"""What is asked to learn who answers."""

_LONGEST_PATH = 100
"""Bytes of a path that a socket's address has room for, on every system (108 on Linux)."""


class NoAnswerError(Exception):
    """A worker does not answer in time, or not in a way that can be read."""


def sockets(folder: Path) -> dict[int, Path]:
    """Return the socket of each worker, by its process id."""
    with contextlib.suppress(OSError):
        found = [path for path in folder.iterdir() if path.suffix == SUFFIX]
        return {int(path.stem): path for path in sorted(found) if path.stem.isdigit()}
    return {}


def ask(
    folder: Path,
    question: Mapping[str, Any],
    *,
    patience: float = PATIENCE,
    only: int = 0,
    leave_out: int = 0,
) -> dict[int, dict[str, Any] | None]:
    """Ask every worker; return the answers by process id, None for one that does not answer.

    Args:
        folder: where the sockets are. What is left there of workers that have ended is removed.
        question: goes to all of them, and they work at the same time.
        patience: seconds that they have, all together.
        only: ask the worker of this process id alone; ``leave_out``: all but this one.
    """
    until = monotonic() + patience
    line = json.dumps(question).encode() + b"\n"
    with contextlib.ExitStack() as stack:
        asked: dict[int, socket.socket | None] = {}
        for pid, path in sockets(folder).items():
            if only in (0, pid) and pid != leave_out:
                with contextlib.suppress(ProcessLookupError):
                    asked[pid] = _asked(path, line, until, stack)
        return dict.fromkeys(asked) | _answers(asked, until)


def _asked(
    path: Path, line: bytes, until: float, stack: contextlib.ExitStack
) -> socket.socket | None:
    """Send a question.

    Raises:
        ProcessLookupError: nobody listens any more.
    """
    connection = stack.enter_context(socket.socket(socket.AF_UNIX))
    connection.settimeout(max(until - monotonic(), 0.01))
    try:
        with short(path) as address:
            connection.connect(address)
        connection.sendall(line)
    except (ConnectionRefusedError, FileNotFoundError):
        with contextlib.suppress(OSError):
            path.unlink()
        raise ProcessLookupError from None
    except OSError:
        return None
    return connection


def _answers(
    asked: Mapping[int, socket.socket | None], until: float
) -> dict[int, dict[str, Any] | None]:
    """Read from all at once, so that one which hangs costs the others no time."""
    answers: dict[int, dict[str, Any] | None] = {}
    read: dict[int, bytearray] = {}
    with selectors.DefaultSelector() as selector:
        for pid, connection in asked.items():
            if connection is not None:
                connection.setblocking(False)
                selector.register(connection, selectors.EVENT_READ, pid)
                read[pid] = bytearray()
        while selector.get_map() and (left := until - monotonic()) > 0:
            for key, _ in selector.select(left):
                pid, chunk = key.data, _received(key.fileobj)
                read[pid] += chunk
                if not chunk or chunk.endswith(b"\n") or len(read[pid]) > LONGEST_ANSWER:
                    selector.unregister(key.fileobj)
                    answers[pid] = _read(read[pid])
    return answers


def _received(connection: Any) -> bytes:
    with contextlib.suppress(OSError):
        return bytes(connection.recv(65536))
    return b""


def _read(line: bytearray) -> dict[str, Any] | None:
    with contextlib.suppress(ValueError):
        answer = json.loads(line)
        return answer if isinstance(answer, dict) else None
    return None


def line_from(connection: socket.socket, until: float, longest: int) -> bytes:
    """Read up to the end of a line.

    Raises:
        NoAnswerError: it ends before that, has more than ``longest`` bytes, or takes until after
            ``until`` (``time.monotonic()``).
        OSError: the connection is cut.
    """
    chunks: list[bytes] = []
    size = 0
    while True:
        left = until - monotonic()
        if left <= 0:
            raise NoAnswerError("it does not come to an end")
        connection.settimeout(left)
        chunk = connection.recv(65536)
        chunks.append(chunk)
        size += len(chunk)
        if chunk.endswith(b"\n"):
            return b"".join(chunks)
        if not chunk or size > longest:
            raise NoAnswerError("it has no end")


@contextlib.contextmanager
def short(path: Path) -> Iterator[str]:
    """Give a path of a socket that its address has room for, however deep the folder is.

    Raises:
        OSError: it is too long, and this system has no ``/proc``.
    """
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        through = f"/proc/self/fd/{folder}"
        if not Path(through).exists():
            raise OSError(errno.ENAMETOOLONG, "too long for a socket's address", str(path))
        yield f"{through}/{path.name}"
    finally:
        os.close(folder)
