"""Which files a server may send by itself."""

from __future__ import annotations

import io
import os
import stat
import tempfile

_BUFFERED = (io.BufferedReader, io.BufferedRandom)


def is_plain_file(filelike: object, length: int | None) -> bool:
    """Say whether a server can send all of this without running code of an app.

    That is an open, regular file of the standard library's own classes. What is made of a pipe, of
    a socket or of a class of an app may hang or raise where it is read.

    Args:
        filelike: what the app has wrapped.
        length: the ``Content-Length``: bytes that have to be there; None where it is not said.
    """
    if type(filelike) is tempfile._TemporaryFileWrapper:
        filelike = filelike.file
    raw = filelike.raw if isinstance(filelike, _BUFFERED) else filelike
    if type(filelike) not in (*_BUFFERED, io.FileIO) or type(raw) is not io.FileIO or raw.closed:
        return False
    number = raw.fileno()
    told = os.fstat(number)
    if not stat.S_ISREG(told.st_mode):
        return False
    return length is None or told.st_size - os.lseek(number, 0, os.SEEK_CUR) >= length
