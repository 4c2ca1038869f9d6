"""What one layer of a worker costs: two ways through the same process, a few requests at a time.

The host is served once. Half of its requests, by chance, go through the layer, and half past it,
always sixteen in a row; the worker adds up the CPU time of its threads for each half. What a noisy
machine, a thread's cold caches or the other requests at that moment add, is added to both, so that
a difference of a few microseconds shows, where two processes, or two seconds of one, differ by more
than that.

The load is wrk's, and keeps the worker busy: what a layer takes counts where there is no time left.

Limits: a thread's time is counted from where it begins with a request to where it is done, so that
what other threads of the worker do is not in it, be it for one half or for both. Where sixteen in
a row end, those that are on their way go both ways at once; and the code of the layer is a little
colder than where all requests use it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence

from benchmarks import wrk
from benchmarks.client import connected
from benchmarks.servers import Server

WITH, WITHOUT = "?with", "?without"
"""Queries of requests that go through the layer, and past it."""
SECONDS = 1
ROUNDS = 30
SERVERS = 5
"""Of a kind: one may take 2 µs more for a request than another, for as long as it lives."""

WORKER_CLASS = "--worker-class=halves.Measured"

MODULE = f"""\
import json
import threading
from time import thread_time

from shared_utils.hosting.worker import Worker

WITH, WITHOUT = {WITH[1:]!r}, {WITHOUT[1:]!r}
FIGURES = "figures"
here = threading.local()
adding = threading.Lock()


def new():
    return {{WITH: [0, 0.0], WITHOUT: [0, 0.0]}}


sums = new()


class Measured(Worker):
    def handle(self, conn):
        here.way = None
        began = thread_time()
        is_kept = super().handle(conn)
        took = thread_time() - began
        if here.way is not None:
            with adding:
                figures = sums[here.way]
                figures[0] += 1
                figures[1] += took
        return is_kept


def divided(with_layer, without_layer):
    ways = {{WITH: with_layer, WITHOUT: without_layer}}

    def application(environ, start_response):
        global sums
        query = environ["QUERY_STRING"]
        app = ways.get(query)
        if app is not None:
            here.way = query
            return app(environ, start_response)
        if query == FIGURES:
            with adding:
                told, sums = sums, new()
            body = json.dumps(told).encode()
            start_response("200 OK", [("Content-Length", str(len(body)))])
            return [body]
        return with_layer(environ, start_response)

    return application
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Halves:
    """µs of CPU for one request of each half."""

    through: float
    past: float


def halves(servers: Sequence[Server], path: str, connections: int) -> Callable[[int], Halves]:
    """Return what measures both halves on one of the servers, which have to be up.

    Args:
        path: of the requests.
        connections: how many there are at once.
    """
    for server in servers:
        server.first(path)
        _load(server, path, connections)

    def measure(number: int) -> Halves:
        server = servers[number % len(servers)]
        _figures(server, path)
        _load(server, path, connections)
        told = _figures(server, path)
        means = {way: seconds / count * 1e6 for way, (count, seconds) in told.items()}
        return Halves(through=means[WITH[1:]], past=means[WITHOUT[1:]])

    return measure


def _load(server: Server, path: str, connections: int) -> None:
    load = wrk.load(server.address, path, connections, SECONDS, queries=(WITH, WITHOUT))
    if load.failed:
        raise RuntimeError(f"{load}\n{server.log.read_text()[-2000:]}")


def _figures(server: Server, path: str) -> dict[str, tuple[int, float]]:
    with connected(server.address) as [connection]:
        connection.send(f"{path}?figures")
        return json.loads(connection.receive()[1])  # type: ignore[no-any-return]
