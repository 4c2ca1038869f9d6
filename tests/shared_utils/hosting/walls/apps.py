"""Applications that do what no app should, and what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from shared_utils.hosting.walls.bulkhead import Load

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tests.shared_utils.hosting.walls.conftest import Wall

NOTHING = Load(running=0, parked=0, threads=0)
TEXT = [("Content-Type", "text/plain")]


def raised(error: BaseException) -> None:
    raise error


class Body:
    """An iterable whose every part may fail."""

    def __init__(self, *chunks: Any, close: Callable[[], object] = lambda: None) -> None:
        self.chunks = iter(chunks)
        self.close = close

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        chunk = next(self.chunks)
        return chunk() if callable(chunk) else chunk  # type: ignore[no-any-return]


class Closing:
    """A response that has to be closed."""

    def __init__(self, chunks: Iterable[bytes], close: Callable[[], object]) -> None:
        self.chunks, self.close = chunks, close

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.chunks)


def answering(
    body: Any, status: Any = "200 OK", headers: Any = TEXT, *, starts: int = 1
) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        for _ in range(starts):
            start_response(status, headers)
        return body  # type: ignore[no-any-return]

    return app


def is_replaced(wall: Wall, status: int = 500) -> bool:
    """Say whether the server has got one sound problem response."""
    [(_, headers)] = wall.starts
    content = json.loads(wall.body)
    assert wall.raised is None
    assert headers["Content-Type"] == "application/problem+json"
    assert int(headers["Content-Length"]) == len(wall.body)
    assert (content["status"], content["app"]) == (status, "trades")
    assert wall.load == NOTHING
    return wall.status == status
