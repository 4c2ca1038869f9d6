from __future__ import annotations

import io
import json
import logging
import re
import select
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_utils.hosting.telemetry.access import LONGEST_PATH, AccessLog, logger
from shared_utils.hosting.telemetry.record import Record
from shared_utils.logging import ContextFilter, JsonFormatter, LineHandler, TextFormatter
from tests import hostile

if TYPE_CHECKING:
    from collections.abc import Sequence


class Written:
    """The root logger as Rowhouse sets it up, and what it has written."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.handler = LineHandler(self.stream)
        self.handler.addFilter(ContextFilter())

    def of(
        self,
        records: Sequence[Record],
        formatter: logging.Formatter,
        others: Sequence[logging.Handler] = (),
    ) -> str:
        self.stream.seek(0)
        self.stream.truncate()
        self.handler.setFormatter(formatter)
        root = logging.root
        # Not in a fixture: pytest adds handlers of its own after those.
        kept, level = root.handlers[:], root.level
        root.handlers[:] = [self.handler, *others]
        root.setLevel(logging.INFO)
        try:
            AccessLog()(records)
        finally:
            root.handlers[:] = kept
            root.setLevel(level)
        return self.stream.getvalue()

    def json(self, record: Record, others: Sequence[logging.Handler] = ()) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.of([record], JsonFormatter(), others))
        return told


@pytest.fixture(scope="module")
def written() -> Written:
    return Written()


def ended(**told: Any) -> Record:
    record = Record("abcdef12", "trades", "192.0.2.1", "GET", "/trades/a b")
    record.status, record.sent = 200, 13
    record.duration, record.waited, record.cpu = 0.0123456, 0.001, 0.0098
    for name, value in told.items():
        setattr(record, name, value)
    return record


def test_a_json_line(written: Written) -> None:
    line = written.json(ended())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert isinstance(line.pop("process"), int)
    assert line == {
        "level": "info",
        "logger": "rowhouse.access",
        "app": "trades",
        "request_id": "abcdef12",
        "message": "GET /trades/a%20b 200",
        "client": "192.0.2.1",
        "method": "GET",
        "path": "/trades/a%20b",
        "status": 200,
        "duration_ms": 12.346,
        "waited_ms": 1.0,
        "cpu_ms": 9.8,
        "bytes": 13,
    }


def test_a_text_line(written: Written) -> None:
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} INFO    \[\d+\] trades abcdef12 "
        r"GET /trades/a%20b 200, 13 bytes in 12\.3 ms \(1\.0 waiting, 9\.8 of CPU\) "
        r"to 192\.0\.2\.1\n",
        written.of([ended()], TextFormatter()),
    )


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_requests_that_have_ended_together_are_a_line_each(
    written: Written, formatter: logging.Formatter
) -> None:
    records = [ended(request_id=f"abcdef{n}", started_at=1e9 + n) for n in range(60)]
    lines = written.of(records, formatter)
    assert lines == "".join(written.of([record], formatter) for record in records)
    assert lines.count("\n") == 60


def test_lines_that_are_written_together_share_no_more_than_they_have_in_common(
    written: Written,
) -> None:
    kinds = [
        (app, method, status)
        for app in ("trades", "home", "")
        for method in ("GET", "POST")
        for status in (200, 404)
    ]
    records = [ended(app=app, method=method, status=status) for app, method, status in kinds * 2]
    lines = [json.loads(line) for line in written.of(records, JsonFormatter()).splitlines()]
    assert [(line["app"] or "", line["method"], line["status"]) for line in lines] == kinds * 2
    assert [line["message"] for line in lines] == [
        f"{method} /trades/a%20b {status}" for _, method, status in kinds * 2
    ]


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_times_are_rounded_to_microseconds(
    written: Written, duration: float, waited: float, cpu: float
) -> None:
    line = written.json(ended(duration=duration, waited=waited, cpu=cpu))
    for key, seconds in (("duration_ms", duration), ("waited_ms", waited), ("cpu_ms", cpu)):
        assert line[key] == pytest.approx(seconds * 1e3, abs=0.00051)


def test_the_host_itself_and_traces(written: Written) -> None:
    line = written.json(ended(app="", trace_id="0" * 31 + "1"))
    assert line["app"] is None
    assert line["trace_id"] == "0" * 31 + "1"
    assert f"trace {'0' * 31}1" in written.of([ended(trace_id="0" * 31 + "1")], TextFormatter())


@pytest.mark.parametrize("trace_id", ["", "0" * 31 + "1"])
def test_where_logging_is_set_up_otherwise_it_is_a_record_with_the_same_fields(
    written: Written, trace_id: str
) -> None:
    record = ended(trace_id=trace_id, started_at=1e9, duration=0.25)
    usual = written.json(record)
    another = logging.StreamHandler(io.StringIO())
    otherwise = written.json(record, [another])
    assert usual["time"] == "2001-09-09T01:46:40.250Z"
    assert otherwise == usual
    assert "GET /trades/a%20b 200" in another.stream.getvalue()


def test_a_handler_that_fails_on_one_line_takes_no_other_along(written: Written) -> None:
    class Fails(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            if getattr(record, "app", "") == "sick":
                raise ValueError("as it likes to")
            told.append(getattr(record, "request_id", ""))
            return True

    told: list[str] = []
    records = [ended(request_id="one"), ended(app="sick"), ended(request_id="two")]
    with pytest.raises(ValueError, match="as it likes to"):
        written.of(records, JsonFormatter(), [Fails()])
    assert told == ["one", "two"]


@pytest.mark.parametrize(("character", "shown"), [(",", "%2C"), ("x", "x")])
def test_a_line_stays_short_whatever_path_was_asked_for(
    written: Written, character: str, shown: str
) -> None:
    record = Record("abcdef12", "trades", "192.0.2.1", "GET", "/" + character * 4000)
    line = written.of([record], JsonFormatter())
    assert len(line) <= select.PIPE_BUF
    path = json.loads(line)["path"]
    assert path == f"{('/' + shown * 4000)[:LONGEST_PATH]}..."
    assert len(written.of([record], TextFormatter())) <= select.PIPE_BUF


def test_it_can_be_switched_off(written: Written) -> None:
    logger.setLevel(logging.WARNING)
    try:
        assert written.of([ended()], JsonFormatter()) == ""
    finally:
        logger.setLevel(logging.NOTSET)


@given(client=hostile.TEXT, method=hostile.TEXT, app=hostile.TEXT)
def test_nothing_in_a_request_makes_a_line(
    written: Written, client: str, method: str, app: str
) -> None:
    record = ended(client=client, method=method, app=app)
    line = written.of([record], JsonFormatter())
    assert line.isascii()
    assert line.index("\n") == len(line) - 1
    assert not re.search(r"[\0-\x1f\x7f]", line[:-1])
    told = json.loads(line)
    assert (told["client"], told["method"], told["app"] or "") == (client, method, app)

    text = written.of([record], TextFormatter())
    assert text.endswith("\n")
    first, *others = text[:-1].split("\n")
    assert len(text[:-1].splitlines()) == 1 + len(others)  # no other line break of any kind
    assert all(other.startswith("  | ") for other in others)
    assert not re.search(r"[\0-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]", text)
    assert re.match(r"\d{4}-\d\d-\d\d ", first)
