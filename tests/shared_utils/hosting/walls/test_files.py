# ruff: noqa: SIM115
from __future__ import annotations

import gzip
import io
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared_utils.hosting.walls.files import is_plain_file


class Hostile(io.RawIOBase):
    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        sys.exit(3)


class Own(io.FileIO):
    pass


@pytest.mark.parametrize(
    ("opened", "expected"),
    [
        pytest.param(lambda path: path.open("rb"), True, id="buffered"),
        pytest.param(lambda path: path.open("rb+"), True, id="for writing too"),
        pytest.param(lambda path: path.open("rb", buffering=0), True, id="raw"),
        pytest.param(lambda path: tempfile.NamedTemporaryFile(), True, id="temporary"),
        pytest.param(lambda path: tempfile.TemporaryFile(), True, id="without a name"),
        pytest.param(lambda path: tempfile.SpooledTemporaryFile(), False, id="spooled"),
        pytest.param(lambda path: path.open(), False, id="text"),
        pytest.param(lambda path: io.BytesIO(b"x"), False, id="memory"),
        pytest.param(lambda path: gzip.open(path), False, id="gzip"),
        pytest.param(lambda path: Own(path), False, id="of an app's class"),
        pytest.param(lambda path: io.BufferedReader(Own(path)), False, id="around that"),
        pytest.param(lambda path: io.BufferedReader(Hostile()), False, id="hostile"),
        pytest.param(lambda path: None, False, id="nothing"),
    ],
)
def test_what_a_server_may_send_by_itself(
    tmp_path: Path, opened: Callable[[Path], Any], expected: bool
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    file = opened(path)
    try:
        assert is_plain_file(file, None) == expected
    finally:
        if file is not None:
            file.close()
    assert not is_plain_file(file, None)


def test_pipes_and_sockets_are_read_behind_the_barrier() -> None:
    reading, writing = os.pipe()
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert not is_plain_file(pipe, None)
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as stream:
        assert not is_plain_file(stream, None)
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as process:
        assert not is_plain_file(process.stdout, None)


@pytest.mark.parametrize(
    ("offset", "length", "expected"), [(0, 7, True), (3, 4, True), (3, 5, False)]
)
def test_all_that_is_announced_has_to_be_there(
    tmp_path: Path, offset: int, length: int, expected: bool
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    with path.open("rb") as file:
        file.seek(offset)
        assert is_plain_file(file, length) == expected
