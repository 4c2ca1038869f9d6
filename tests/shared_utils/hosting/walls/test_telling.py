"""What the wall tells of a response is what is told of the same one without a wall."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from werkzeug.test import EnvironBuilder

from shared_utils.hosting.edge import Edge
from shared_utils.hosting.settings.mounts import Mount
from shared_utils.hosting.settings.schema import Host, Limits
from shared_utils.hosting.telemetry.record import current
from shared_utils.hosting.telemetry.recorder import Recorder
from shared_utils.hosting.walls.barrier import Exchange
from shared_utils.hosting.walls.bulkhead import Load
from shared_utils.hosting.walls.walls import Walls

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from shared_utils.hosting.telemetry.record import Record


MOUNT = Mount(name="trades", prefix="/trades", target="x:y", title="Trades", limits=Limits())


def walled(app: WSGIApplication, walls: Walls | None = None) -> WSGIApplication:
    walls = walls or Walls.around([MOUNT], Host())

    def outside(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        exchange = Exchange(
            walls.terms(MOUNT), walls.bulkhead, current.get(), environ, start_response
        )
        assert exchange.hold("trades", at_once=True)
        return exchange.begin(app)

    return outside


class Told:
    """What is told of one request, in between the chunks that the server takes."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.recorder = Recorder()
        self.recorder.answered.append(lambda r: self.events.append(f"answered {r.status}"))
        self.recorder.finished.append(self._finished)

    def _finished(self, records: Sequence[Record]) -> None:
        [record] = records
        self.events.append(f"finished: {record.status}, {record.sent} bytes")

    def of(self, app: WSGIApplication, method: str, until: int | None) -> list[str]:
        """Serve a request up to so many chunks; None: to the end."""

        def take(chunk: bytes) -> None:
            self.events.append(f"took {chunk!r}")

        environ = EnvironBuilder(method=method, base_url="http://localhost/trades").get_environ()
        response = Edge(app, recorder=self.recorder)(environ, lambda *_: take)
        chunks = iter(response)
        try:
            with contextlib.suppress(StopIteration):
                while until is None or until > 0:
                    take(next(chunks))
                    until = until and until - 1
        finally:
            for _ in range(2):
                response.close()  # type: ignore[attr-defined]
        assert self.recorder.running == set()
        return self.events


BODIES: dict[str, tuple[list[bytes], str | None]] = {
    "one chunk": ([b"onetwo"], "6"),
    "two": ([b"one", b"two"], "6"),
    "without a length": ([b"one", b"two"], None),
    "one without a length": ([b"onetwo"], None),
    "empty": ([], "0"),
    "empty, as a chunk": ([b""], "0"),
    "nothing, of no length": ([], None),
    "too long": ([b"onetwo, three"], "6"),
    "ends with nothing": ([b"onetwo", b""], None),
}


@pytest.mark.parametrize("until", [None, 0, 1, 2], ids=lambda n: f"{n} taken")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("chunks", "length"), BODIES.values(), ids=BODIES.keys())
def test_it_is_as_without_a_wall(
    chunks: list[bytes], length: str | None, method: str, until: int | None
) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", length)] if length else [])
        return [] if method == "HEAD" else chunks

    told = Told().of(walled(app), method, until)
    plain = Told().of(app, method, until)
    # The wall waits with the headers for a byte: it passes over b"" before that, and where nothing
    # was taken of nothing, there is no status yet.
    if until != 0:
        assert [e for e in told if e != "took b''"] == [e for e in plain if e != "took b''"]
    assert sum(event.startswith("answered") for event in told) == 1
    assert told[-1].startswith("finished")


def test_what_an_app_writes_is_told_once() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        write = start_response("200 OK", [("Content-Length", "6")])
        write(b"one")
        return [b"two"]

    expected = ["took b'one'", "answered 200", "took b'two'", "finished: 200, 6 bytes"]
    assert Told().of(walled(app), "GET", None) == expected


@pytest.mark.parametrize("taken", [0, 1])
@pytest.mark.parametrize("chunks", [[b"onetwo"], [b"one", b"two"]])
def test_a_response_that_nobody_closes_is_told_of_and_gives_back_what_it_held(
    chunks: list[bytes], taken: int
) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "6")])
        return chunks

    told, walls = Told(), Walls.around([MOUNT], Host())
    environ = EnvironBuilder(base_url="http://localhost/trades").get_environ()
    response = Edge(walled(app, walls), recorder=told.recorder)(environ, lambda *_: bytes)
    taking = iter(response)
    for _ in range(taken):
        next(taking)
    assert walls.bulkhead.load("trades").threads == 1
    del response, taking
    assert walls.bulkhead.load("trades") == Load(running=0, parked=0, threads=0)
    told.recorder.finish_abandoned()
    assert told.events[-1].startswith("finished")
    assert told.recorder.running == set()


def test_a_response_in_the_apps_place_is_told_before_its_last_byte() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        raise SystemExit(3)

    answered, took, finished = Told().of(walled(app), "GET", None)
    assert answered == "answered 500"
    sent = len(took.removeprefix("took ")) - len("b''")
    assert finished.startswith("finished: 500, ")
    assert sent >= int(finished.removeprefix("finished: 500, ").removesuffix(" bytes")) > 100


def test_a_response_that_is_cut_is_told_as_far_as_it_came() -> None:
    def body() -> Iterable[bytes]:
        yield b"one"
        raise SystemExit(3)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "6")])
        return body()

    told = Told()
    with pytest.raises(ConnectionError):
        told.of(walled(app), "GET", None)
    assert told.events == ["took b'one'", "answered 200", "finished: 200, 3 bytes"]
