"""A look through a whole file before anything of it is stored: is it text, and how long is it?

What is wrong here is wrong with the file, not with a row: nothing of it is stored.
"""

from __future__ import annotations

import codecs
from typing import BinaryIO

_CHUNK = 65_536

_SAVE_AS = 'Save it as "CSV UTF-8" and send it again.'

_OTHER_FILES = (
    (codecs.BOM_UTF16_LE, "UTF-16 text"),
    (codecs.BOM_UTF16_BE, "UTF-16 text"),
    (b"PK\x03\x04", "an Excel workbook or another ZIP archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"%PDF", "a PDF document"),
)


class UnreadableFileError(ValueError):
    """A file that cannot be read at all, with a sentence that says why and what to do."""


def survey(file: BinaryIO) -> int:
    """Return the number of lines in ``file``, which is read to its end, a chunk at a time.

    Raises:
        UnreadableFileError: it is empty, not UTF-8, or not text.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    feeds = returns = 0
    last = b""
    while chunk := file.read(_CHUNK):
        if not last:
            _check_beginning(chunk)
        try:
            decoder.decode(chunk)
        except UnicodeDecodeError as error:
            # The decoder may have kept up to three bytes of the chunk before.
            byte = error.object[error.start]
            line = 1 + feeds + error.object.count(b"\n", 0, error.start)
            raise UnreadableFileError(
                f"The file is not UTF-8: line {line} has the byte 0x{byte:02X}, as files in "
                f"Latin-1 or Windows-1252 do. {_SAVE_AS}"
            ) from None
        nul = chunk.find(b"\0")
        if nul >= 0:
            line = 1 + feeds + chunk.count(b"\n", 0, nul)
            raise UnreadableFileError(
                f"The file is not text: line {line} has a NUL character. {_SAVE_AS}"
            )
        feeds += chunk.count(b"\n")
        returns += chunk.count(b"\r")
        last = chunk[-1:]
    if not last:
        raise UnreadableFileError("The file is empty.")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise UnreadableFileError(
            f"The file is not UTF-8: it ends within a character. {_SAVE_AS}"
        ) from None
    # Either kind ends a line; only files of old have the second kind alone.
    return (feeds or returns) + (last not in (b"\n", b"\r"))


def _check_beginning(chunk: bytes) -> None:
    for beginning, kind in _OTHER_FILES:
        if chunk.startswith(beginning):
            raise UnreadableFileError(f"The file is {kind}, not CSV. {_SAVE_AS}")
