from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.test import EnvironBuilder

from shared_utils.hosting.settings.mounts import Mount
from shared_utils.hosting.settings.schema import Host, Limits
from shared_utils.hosting.telemetry.record import Record
from shared_utils.hosting.walls.barrier import Exchange
from shared_utils.hosting.walls.bulkhead import Load
from shared_utils.hosting.walls.walls import Walls

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class Wall:
    """The wall around one app, and a server that does with it what WSGI asks a server to do.

    Attributes:
        starts: status and headers of every call of the server's ``start_response``.
        sent: chunks that have reached the server.
        record: what is known of the request.
        raised: what reached the server instead of a chunk.
        loads: what the app had of the bulkhead at every chunk that reached the server.
    """

    def __init__(self, limits: Limits, *, debug: bool = False, scoped: Any = None) -> None:
        self.scoped = scoped
        self.mount = Mount(
            name="trades", prefix="/trades", target="x:y", title="Trades", limits=limits
        )
        self.walls = Walls.around([self.mount], Host(), debug=debug)

    @property
    def load(self) -> Load:
        return self.walls.bulkhead.load("trades")

    def begin(self, app: WSGIApplication, **environ: Any) -> Iterable[bytes]:
        self.starts: list[tuple[str, dict[str, str]]] = []
        self.sent: list[bytes] = []
        self.raised: BaseException | None = None
        self.loads: list[Load] = []
        self.record = Record()
        overrides = environ.pop("environ_overrides", {})
        built = EnvironBuilder(**{"base_url": "http://localhost/trades", **environ}).get_environ()

        def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
            if exc_info and self.sent:
                raise exc_info[1]
            assert exc_info or not self.starts
            self.starts.append((status, dict(headers)))
            return self.sent.append

        terms, bulkhead = self.walls.terms(self.mount, self.scoped), self.walls.bulkhead
        exchange = Exchange(terms, bulkhead, self.record, {**built, **overrides}, start_response)
        assert exchange.hold("trades")
        assert exchange.run(0)
        return exchange.begin(app)

    def serve(self, app: WSGIApplication, **environ: Any) -> Wall:
        """Answer one request as gunicorn does."""
        try:
            response = self.begin(app, **environ)
        except BaseException as error:
            self.raised = error
            return self
        try:
            for chunk in response:
                self.loads.append(self.load)
                self.sent.append(chunk)
        except BaseException as error:
            self.raised = error
        finally:
            response.close()  # type: ignore[attr-defined]
        return self

    @property
    def status(self) -> int:
        """Of the one response that was sent."""
        [(status, _)] = self.starts
        return int(status[:3])

    @property
    def body(self) -> bytes:
        return b"".join(self.sent)


@pytest.fixture
def wall() -> Callable[..., Wall]:
    def made(*, debug: bool = False, scoped: Any = None, **limits: Any) -> Wall:
        return Wall(Limits(**limits), debug=debug, scoped=scoped)

    return made
