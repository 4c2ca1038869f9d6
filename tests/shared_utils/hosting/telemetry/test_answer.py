from __future__ import annotations

import gc
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from wsgiref.util import FileWrapper

import pytest
from werkzeug.test import Client, EnvironBuilder

from shared_utils.hosting.edge import Edge
from shared_utils.hosting.telemetry.record import Record, current
from shared_utils.hosting.telemetry.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Told:
    """What a recorder has told, and how much of a body the server had by then."""

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.events: list[str] = []
        self.records: list[Record] = []
        self.recorder.answered.append(
            lambda record: self.events.append(f"answered {record.status}")
        )
        self.recorder.finished.append(self._finished)

    def _finished(self, records: Sequence[Record]) -> None:
        [record] = records
        assert record not in self.recorder.running
        self.events.append("finished")
        self.records.append(record)

    @property
    def record(self) -> Record:
        [record] = self.records
        return record

    def call(
        self, app: WSGIApplication, environ: WSGIEnvironment | None = None, *, fails_at: bytes = b""
    ) -> None:
        """Do as a server does."""
        given = EnvironBuilder(path="/a b", headers=[("X-Request-ID", "abcdefgh")]).get_environ()
        given |= environ or {}
        taken = bytearray()

        def take(data: bytes) -> None:
            if data == fails_at != b"":
                raise BrokenPipeError
            self.events.append(data.decode())
            taken.extend(data)

        response = Edge(app, recorder=self.recorder)(given, lambda *_: take)
        try:
            if isinstance(response, given.get("wsgi.file_wrapper", ())):
                self.events.append("sendfile")
            else:
                for chunk in response:
                    take(chunk)
            self.events.append("end")
        finally:
            if hasattr(response, "close"):
                response.close()


@pytest.fixture
def told() -> Told:
    return Told()


def answering(
    *chunks: bytes,
    status: str = "200 OK",
    length: int | str | None = None,
    name: str = "Content-Length",
) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        headers = [] if length is None else [(name, str(length))]
        start_response(status, headers)
        return iter(chunks)

    return app


@pytest.mark.parametrize(
    ("app", "events"),
    [
        pytest.param(
            answering(b"ab", b"cd", length=4),
            ["ab", "answered 200", "cd", "end", "finished"],
            id="before the last byte",
        ),
        pytest.param(
            answering(b"ab", b"cd", length=" 4\t"),
            ["ab", "answered 200", "cd", "end", "finished"],
            id="before the last byte of a length with spaces around it",
        ),
        pytest.param(
            answering(b"ab", b"cd"),
            ["ab", "cd", "answered 200", "end", "finished"],
            id="before the server says that it is the end",
        ),
        pytest.param(
            answering(status="204 NO CONTENT"),
            ["answered 204", "end", "finished"],
            id="without a body",
        ),
        pytest.param(answering(b"", length=0), ["answered 200", "", "end", "finished"], id="empty"),
        pytest.param(
            answering(b"ab", length=4),
            ["ab", "answered 200", "end", "finished"],
            id="shorter than it says",
        ),
        pytest.param(
            answering(b"ab", b"cd", length=2),
            ["answered 200", "ab", "cd", "end", "finished"],
            id="longer than it says",
        ),
    ],
)
def test_a_response_counts_once_and_before_its_last_byte(
    told: Told, app: WSGIApplication, events: list[str]
) -> None:
    told.call(app)
    assert told.events == events


@pytest.mark.parametrize("name", ["Content-Length", "content-length", "CONTENT-LENGTH"])
def test_a_length_is_seen_however_it_is_written_and_however_often(told: Told, name: str) -> None:
    for _ in range(3):
        told.events.clear()
        told.call(answering(b"ab", length=2, name=name))
        assert told.events == ["answered 200", "ab", "end", "finished"]


def test_what_is_known_at_the_end(told: Told) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        assert told.recorder.running == {current.get()}
        assert current.get().status == 0
        sum(range(10_000))
        return answering(b"ab", b"cd", status="201 CREATED")(environ, start_response)

    told.call(app, {"REMOTE_ADDR": "192.0.2.1", "SCRIPT_NAME": "/pre"})
    record = told.record
    assert (record.request_id, record.method, record.path) == ("abcdefgh", "GET", "/pre/a%20b")
    assert (record.client, record.status, record.sent, record.failure) == ("192.0.2.1", 201, 4, "")
    assert record.cpu > 0
    assert record.duration > 0


def test_a_stranger_who_ends_a_request_gives_it_no_cpu_time(told: Told) -> None:
    edge = Edge(answering(b"ab", length=2), recorder=told.recorder)
    response: Any = edge(EnvironBuilder().get_environ(), lambda *_: lambda data: None)
    assert list(response) == [b"ab"]
    thread = threading.Thread(target=response.close)
    thread.start()
    thread.join()
    assert told.record.cpu == 0


def test_head_has_no_body(told: Told) -> None:
    told.call(answering(b"ab", length=2), {"REQUEST_METHOD": "HEAD"})
    assert told.events[0] == "answered 200"
    assert told.record.sent == 0


def test_a_client_that_goes_away(told: Told) -> None:
    with pytest.raises(BrokenPipeError):
        told.call(answering(b"ab", b"cd", b"ef"), fails_at=b"cd")
    assert told.events == ["ab", "answered 200", "finished"]
    assert told.record.sent == 2


def failing(where: str) -> WSGIApplication:
    class Body:
        def __iter__(self) -> Iterator[bytes]:
            yield b"ab"
            if where == "body":
                raise SystemExit(3)

        def close(self) -> None:
            if where == "close":
                raise SystemExit(3)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if where == "call":
            raise SystemExit(3)
        start_response("200 OK", [])
        return Body()

    return app


@pytest.mark.parametrize(
    ("where", "events"),
    [
        ("call", ["answered 0", "finished"]),
        ("body", ["ab", "answered 200", "finished"]),
        ("close", ["ab", "answered 200", "end", "finished"]),
    ],
)
def test_whatever_fails_it_counts_once(told: Told, where: str, events: list[str]) -> None:
    with pytest.raises(SystemExit):
        told.call(failing(where))
    assert told.events == events


def test_what_an_app_writes_by_itself(told: Told) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        write = start_response("200 OK", [("Content-Length", "4")])
        write(b"ab")
        write(b"cd")
        return []

    told.call(app)
    assert told.events == ["ab", "answered 200", "cd", "end", "finished"]
    assert told.record.sent == 4


@pytest.mark.parametrize("length", [None, 4])
def test_a_file_is_left_to_the_server(told: Told, length: int | None) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"abcd")
        file.seek(0)

        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            answering(length=length)(environ, start_response)
            return environ["wsgi.file_wrapper"](file)  # type: ignore[no-any-return]

        told.call(app, {"wsgi.file_wrapper": FileWrapper})
        assert told.events == ["answered 200", "sendfile", "end", "finished"]
        assert told.record.sent == 4
        assert file.closed


def test_a_response_that_nobody_closes(told: Told) -> None:
    client = Client(Edge(answering(b"ab", b"cd"), recorder=told.recorder))
    client.get("/")
    gc.collect()
    was_gone = time.monotonic()
    assert told.events == []
    client.get("/", buffered=True)
    assert told.events.count("finished") == 2
    abandoned = min(told.records, key=lambda record: record.began)
    assert 0 < abandoned.duration <= was_gone - abandoned.began


def test_a_response_that_fails_as_it_is_looked_at_is_told_of(told: Told) -> None:
    class Pipe:
        def fileno(self) -> int:
            raise NotImplementedError

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answering()(environ, start_response)
        return FileWrapper(Pipe())  # type: ignore[arg-type]

    with pytest.raises(NotImplementedError):
        told.call(app, {"wsgi.file_wrapper": FileWrapper})
    told.recorder.finish_abandoned()
    assert told.events == ["answered 200", "finished"]
    assert told.recorder.running == set()


def test_a_file_that_nobody_closes(told: Told, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abcd")

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answering(length=4)(environ, start_response)
        return FileWrapper((tmp_path / "file").open("rb"))

    given = EnvironBuilder().get_environ() | {"wsgi.file_wrapper": FileWrapper}
    response = Edge(app, recorder=told.recorder)(given, lambda *_: bytes)
    assert isinstance(response, FileWrapper)
    response.filelike.close()
    assert told.events == ["answered 200"]
    del response
    told.recorder.finish_abandoned()
    assert told.events == ["answered 200", "finished"]


def test_a_listener_that_fails_does_no_harm(
    told: Told, eventually: Callable[[Callable[[], bool]], None], caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise ValueError("a full disk")

    told.recorder.entered.append(fails)
    told.recorder.answered.insert(0, fails)
    told.recorder.finished.insert(0, fails)
    told.call(answering(b"ab", length=2))
    assert told.events == ["answered 200", "ab", "end", "finished"]
    eventually(lambda: "a full disk" in caplog.text)


def test_a_forked_process_runs_nothing(told: Told) -> None:
    told.recorder.running.add(Record())
    told.recorder.reset()
    assert told.recorder.running == set()
