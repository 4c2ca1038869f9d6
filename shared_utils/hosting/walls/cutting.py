"""Cut a connection, so that what was sent of a response does not look complete."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_NO_LINGER = struct.pack("ii", 1, 0)


def cut(environ: WSGIEnvironment, *, has_length: bool) -> ConnectionError:
    """Return what is to be raised to the server, which then closes the connection.

    A client misses the last chunk, or the rest of the ``Content-Length``. A response to HTTP/1.0
    without a length ends where the connection ends (RFC 9112, section 6.3), so that only a reset
    says that something is missing.
    """
    if environ.get("SERVER_PROTOCOL") == "HTTP/1.0" and not has_length:
        connection = environ.get("gunicorn.socket")
        if isinstance(connection, socket.socket):
            with contextlib.suppress(OSError):
                _reset(connection)
    # What servers take for a client that has gone, and pass over without a word.
    return ConnectionResetError(errno.ECONNRESET, "the response was cut")


def reset_at_close(connection: socket.socket) -> None:
    """Have a connection end by a reset as soon as it is closed: what is not sent yet is dropped.

    Raises:
        OSError: it is no open socket.
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)


def _reset(connection: socket.socket) -> None:
    """Reset a connection, but leave its file descriptor open, for the server to close."""
    reset_at_close(connection)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        # In one step: the last reference to the connection goes, which is a reset without a linger.
        os.dup2(ours.fileno(), connection.fileno(), inheritable=False)
