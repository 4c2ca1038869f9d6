"""The brokers that tests run on, each with a queue of the test's own."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
from collections.abc import Callable, Iterator

from kombu.connection import Connection
from redis import Redis

from tests.requirements import needed

_REDIS = "redis://127.0.0.1:6379/0"
_RABBITMQ = "amqp://guest:guest@127.0.0.1:5672//"


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


KINDS = ("filesystem", "redis", "rabbitmq")


@contextlib.contextmanager
def broker_of(kind: str, queue: str) -> Iterator[Broker]:
    """Give a broker; afterwards take away what the test has left there.

    Args:
        queue: the one queue of the test.
    """
    if kind == "filesystem":
        yield Broker(kind)  # in the project's own instance folder
    elif kind == "redis":
        needed(_listens(6379), kind)
        prefix = f"{queue}:"
        try:
            yield Broker(kind, f"{_REDIS}?global_keyprefix={prefix}")
        finally:
            client = Redis.from_url(_REDIS)
            if keys := list(client.scan_iter(f"{prefix}*")):
                client.delete(*keys)
            client.close()
    else:
        needed(_listens(5672), kind)
        try:
            yield Broker(kind, _RABBITMQ)
        finally:
            connection = Connection(_RABBITMQ)  # type: ignore[no-untyped-call]
            with connection:
                delete: Callable[[str], object] = connection.default_channel.queue_delete
                delete(queue)


def _listens(port: int) -> bool | None:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return None
    return True
