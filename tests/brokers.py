"""The brokers that tests run on, each with a queue of the test's own."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
from collections.abc import Iterator

from tests.requirements import needed

_SERVERS = {
    "redis": ("redis://127.0.0.1:6379/0", 6379),
    "rabbitmq": ("amqp://guest:guest@127.0.0.1:5672//", 5672),
}


@dataclasses.dataclass(frozen=True)
class Broker:
    """A broker, as processes are told of it.

    Attributes:
        url: empty for the embedded one.
    """

    kind: str
    url: str = ""

    @property
    def environ(self) -> dict[str, str]:
        return {"ROWHOUSE_BROKER_URL": self.url} if self.url else {}


KINDS = ("filesystem", *_SERVERS)


@contextlib.contextmanager
def broker_of(kind: str, queue: str) -> Iterator[Broker]:
    """Give a broker; afterwards take away the queue that the test has made there."""
    if kind == "filesystem":
        yield Broker(kind)  # in the project's own instance folder
        return
    url, port = _SERVERS[kind]
    needed(_listens(port), kind)
    try:
        yield Broker(kind, url)
    finally:
        from kombu.connection import Connection

        connection = Connection(url)  # type: ignore[no-untyped-call]
        with connection:
            connection.default_channel.queue_delete(queue)


def _listens(port: int) -> bool | None:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return None
    return True
