from __future__ import annotations

import io
import json
import logging
import os
import re
import select
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest
from hypothesis import given

from shared_utils.logging import (
    ContextFilter,
    JsonFormatter,
    LineHandler,
    TextFormatter,
    app_name,
    configure_logging,
    request_id,
    trace_parent,
)
from tests import hostile


class Written:
    """A logger of its own, and what it has written."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self.stream = io.StringIO()
        handler = LineHandler(self.stream)
        handler.addFilter(ContextFilter())
        handler.setFormatter(formatter)
        self.logger = logging.Logger("rowtest.logger")
        self.logger.addHandler(handler)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def json(self) -> dict[str, Any]:
        assert self.text.count("\n") == 1, "it is not one line"
        found: dict[str, Any] = json.loads(self.text)
        return found


@pytest.fixture
def in_json() -> Written:
    return Written(JsonFormatter())


@pytest.fixture
def in_text() -> Written:
    return Written(TextFormatter())


@pytest.fixture
def within() -> Iterator[None]:
    tokens = request_id.set("abcdef12"), app_name.set("trades")
    yield
    request_id.reset(tokens[0])
    app_name.reset(tokens[1])


def test_a_json_line(in_json: Written, within: None) -> None:
    in_json.logger.warning("hello %s", "you", extra={"owner": "team"})
    line = in_json.json
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert isinstance(line.pop("process"), int)
    assert line == {
        "level": "warning",
        "logger": "rowtest.logger",
        "app": "trades",
        "request_id": "abcdef12",
        "message": "hello you",
        "owner": "team",
    }


def test_a_text_line(in_text: Written, within: None) -> None:
    in_text.logger.warning("hello %s", "you")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} WARNING \[\d+\] trades abcdef12 hello you\n",
        in_text.text,
    )


def test_outside_of_requests_lines_name_neither(in_json: Written, in_text: Written) -> None:
    in_json.logger.info("x")
    in_text.logger.info("x")
    assert not {"app", "request_id"} & in_json.json.keys()
    assert re.search(r"\[\d+\] x\n$", in_text.text)


def test_extra_wins_over_the_context(in_json: Written, within: None) -> None:
    in_json.logger.info("x", extra={"app": "other"})
    assert in_json.json["app"] == "other"


def fail(logger: logging.Logger) -> None:
    try:
        raise ValueError("why")
    except ValueError:
        logger.exception("failed")


def test_a_traceback(in_json: Written, in_text: Written) -> None:
    fail(in_json.logger)
    fail(in_text.logger)
    traceback = in_json.json["traceback"]
    assert traceback.startswith("Traceback (most recent call last):\n")
    assert traceback.endswith("ValueError: why")
    assert in_text.text.endswith("ValueError: why\n")


def test_a_stack(in_json: Written) -> None:
    in_json.logger.info("x", stack_info=True)
    assert "test_a_stack" in in_json.json["traceback"]


def test_line_breaks_stay_inside_one_json_line(in_json: Written) -> None:
    in_json.logger.info("one\ntwo\r\u2028three")
    assert in_json.json["message"] == "one\ntwo\r\u2028three"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(object(), id="object"),
        pytest.param({1, 2}, id="set"),
        pytest.param(b"\xff", id="bytes"),
        pytest.param("\udcff", id="surrogate"),
        pytest.param({(1, 2): 3}, id="tuple-as-key"),
        pytest.param(float("nan"), id="nan"),
    ],
)
def test_whatever_extra_holds_the_line_is_written(
    in_json: Written, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    in_json.logger.info("x", extra={"value": value})
    assert "NaN" not in in_json.text
    assert in_json.json["message"] == "x"


def test_no_lock_is_held_while_an_app_is_asked_for_its_words(in_text: Written) -> None:
    class Asked:
        def __str__(self) -> str:
            other = threading.Thread(target=in_text.logger.warning, args=["meanwhile"])
            other.start()
            other.join(20)
            return "said"

    in_text.logger.warning("%s", Asked())
    assert [line.rpartition(" ")[2] for line in in_text.text.splitlines()] == ["meanwhile", "said"]


def test_a_line_that_cannot_be_written_is_told_on_stderr(
    in_text: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    in_text.logger.warning("%d", "no number")
    in_text.logger.warning("another")
    assert "--- Logging error ---" in capsys.readouterr().err
    assert in_text.text.endswith("another\n")


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """Let a test configure logging, and take that back."""
    root = logging.getLogger()
    named = [logging.getLogger(name) for name in ("gunicorn.error", "gunicorn.access")]
    kept = [(lg, lg.handlers[:], lg.level, lg.propagate) for lg in (root, *named)]
    yield root
    for logger, handlers, level, propagate in kept:
        logger.handlers[:] = handlers
        logger.setLevel(level)
        logger.propagate = propagate


@pytest.mark.parametrize("is_terminal", [True, False])
def test_text_for_a_terminal_and_json_elsewhere(
    root_logger: logging.Logger, monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: is_terminal)
    monkeypatch.setattr(sys, "stdout", stream)
    configure_logging()
    logging.getLogger("gunicorn.error").info("hello")
    assert stream.getvalue().startswith("{") is not is_terminal
    assert stream.getvalue().count("hello") == 1


def test_what_the_encoding_lacks_is_written_as_an_escape(
    root_logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="ascii")
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", stream)
    configure_logging()
    logging.getLogger("gunicorn.error").info("hellö")
    assert b"hell\\xf6\n" in written.getvalue()


@given(message=hostile.TEXT, name=hostile.TEXT, extra=hostile.TEXT)
def test_nothing_that_is_logged_can_pose_as_a_line(message: str, name: str, extra: str) -> None:
    in_json, in_text = Written(JsonFormatter()), Written(TextFormatter())
    for written in (in_json, in_text):
        try:
            raise ValueError(message)
        except ValueError:
            written.logger.name = name
            written.logger.exception("%s", message, extra={"request_id": extra, "app": extra})
    assert in_json.text.isascii()
    assert in_json.json["request_id" if extra else "level"] == (extra or "error")

    text = in_text.text[:-1]
    first, *others = text.split("\n")
    assert len(text.splitlines()) == 1 + len(others)
    assert re.match(r"\d{4}-\d\d-\d\d ", first)
    assert all(other.startswith("  | ") for other in others)
    assert not re.search("[\0-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\ud800-\udfff]", text)


def test_a_traceback_in_text_is_indented(in_text: Written) -> None:
    fail(in_text.logger)
    first, *others = in_text.text.splitlines()
    assert first.endswith("failed")
    assert others[0] == "  | Traceback (most recent call last):"
    assert others[-1] == "  | ValueError: why"


def test_colours_are_left_out(in_text: Written, in_json: Written) -> None:
    for written in (in_text, in_json):
        written.logger.info("\x1b[31mred\x1b[0m")
    assert in_text.text.endswith(" red\n")
    assert in_json.json["message"] == "red"


def test_extra_replaces_nothing_that_a_line_has_of_its_own(in_json: Written) -> None:
    in_json.logger.info("x", extra={"level": "critical", "time": "never", "logger": "other"})
    assert (in_json.json["level"], in_json.json["logger"]) == ("info", "rowtest.logger")


def test_a_trace_is_on_each_line(in_json: Written) -> None:
    token = trace_parent.set(f"00-{'a' * 32}-{'b' * 16}-01")
    in_json.logger.info("x")
    trace_parent.reset(token)
    assert in_json.json["trace_id"] == "a" * 32


def torn(
    stream: TextIO, read: Callable[[], bytes], count: int, length: int
) -> tuple[list[bytes], list[str]]:
    """Write many lines at once; return what was read in one piece each, and the lines."""
    lines = [f"{number:03}".ljust(length, "x") for number in range(count)]
    LineHandler(stream).write(*lines)
    stream.close()
    pieces = []
    while piece := read():
        pieces.append(piece)
    return pieces, lines


@pytest.mark.parametrize(
    ("count", "length", "most"), [(100, 303, 9), (8, 512, 2), (8, 511, 1), (0, 0, 0)]
)
def test_lines_in_one_pipe_with_others_are_never_torn(count: int, length: int, most: int) -> None:
    assert select.PIPE_BUF == 4096
    # As packets, so that a piece is what was written in one call.
    read_end, write_end = os.pipe2(os.O_DIRECT)
    with os.fdopen(read_end, "rb", buffering=0) as reader:
        writer = os.fdopen(write_end, "w", encoding="utf-8")
        pieces, lines = torn(writer, lambda: reader.read(1 << 20) or b"", count, length)
    assert b"".join(pieces).decode().split() == lines
    assert all(piece.endswith(b"\n") for piece in pieces)
    assert all(len(piece) <= select.PIPE_BUF for piece in pieces)
    assert len(pieces) <= most, "as few as there may be"


def test_one_that_is_longer_than_that_is_written_all_the_same() -> None:
    read_end, write_end = os.pipe2(os.O_DIRECT)
    with os.fdopen(read_end, "rb", buffering=0) as reader:
        with os.fdopen(write_end, "w", encoding="utf-8") as writer:
            LineHandler(writer).write("a", "ä" * select.PIPE_BUF, "b")
        told = b"".join(iter(lambda: reader.read(1 << 20) or b"", b""))
    assert told.decode() == f"a\n{'ä' * select.PIPE_BUF}\nb\n"


def test_to_a_file_many_lines_go_in_one_call(tmp_path: Path) -> None:
    class Counted(io.FileIO):
        calls = 0

        def write(self, data: Any) -> int:
            Counted.calls += 1
            return super().write(data)

    with io.TextIOWrapper(io.BufferedWriter(Counted(str(tmp_path / "log"), "w"))) as file:
        lines = ["x" * 300] * 100
        LineHandler(file).write(*lines)
        assert Counted.calls == 1
    assert (tmp_path / "log").read_text().split() == lines


def test_what_a_stream_does_not_take_keeps_nothing_else_from_it() -> None:
    class Full:
        """Not one of the system's: it has no ``fileno``."""

        def __init__(self) -> None:
            self.written: list[str] = []

        def write(self, text: str) -> None:
            self.written.append(text)
            if len(self.written) == 1:
                raise BlockingIOError

        def flush(self) -> None:
            pass

    stream: Any = Full()
    handler = LineHandler(stream)
    lines = ["x" * 40_000, "y" * 40_000]
    with pytest.raises(BlockingIOError):
        handler.write(*lines)
    assert [text[0] for text in stream.written] == ["x", "y"]
