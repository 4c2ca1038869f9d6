"""What is seen of a connection without reading it, and how it ends."""

from __future__ import annotations

import os
import select
import socket
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gunicorn.config import Config

from shared_utils.hosting.client import ClientSocket, RequestReader
from shared_utils.hosting.connection import (
    LARGEST_HEAD,
    MOST_DRAINED,
    READ_AT_ONCE,
    Connection,
    Head,
    due,
)

REQUEST = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
WAIT = 60_000
"""Milliseconds that no test waits for."""


def connected(client: socket.socket, accepted: socket.socket) -> Connection:
    served = ClientSocket(accepted.family, socket.SOCK_STREAM, 0, accepted.detach())
    served.before_waiting = lambda: None
    reader = RequestReader(served, 60)
    return Connection(Config(), served, client.getsockname(), None, reader=reader)


@pytest.fixture
def client() -> Iterator[socket.socket]:
    with socket.socket() as made:
        yield made


@pytest.fixture
def conn(client: socket.socket) -> Iterator[Connection]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client.connect(listener.getsockname())
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        conn = connected(client, listener.accept()[0])
    yield conn
    conn.close()


@pytest.fixture
def look(conn: Connection) -> Callable[[], Head]:
    return conn.look


def readable(conn: Connection, milliseconds: int = WAIT) -> bool:
    poll = select.poll()
    poll.register(conn.sock, select.POLLIN)
    return bool(poll.poll(milliseconds))


def test_nothing_is_there_yet(look: Callable[[], Head]) -> None:
    assert look() is Head.NONE


def test_a_head_is_seen_and_left_there(
    conn: Connection, client: socket.socket, look: Callable[[], Head]
) -> None:
    client.sendall(REQUEST + b"body")
    assert readable(conn)
    assert look() is Head.WHOLE
    assert look() is Head.WHOLE
    assert conn.sock.recv(1024) == REQUEST + b"body"


def test_after_a_part_only_more_counts(
    conn: Connection, client: socket.socket, look: Callable[[], Head]
) -> None:
    for number in range(len(REQUEST) - 1):
        client.sendall(REQUEST[number : number + 1])
        assert readable(conn)
        assert look() is Head.PART
        assert not readable(conn, 0)
    client.sendall(REQUEST[-1:])
    assert readable(conn)
    assert look() is Head.WHOLE
    assert conn.sock.recv(1024) == REQUEST
    client.sendall(b"x")
    assert readable(conn), "the next request is told of from its first byte on"


@pytest.mark.parametrize("before", [b"", REQUEST[:5]], ids=["at once", "after a part"])
def test_a_larger_head_than_is_looked_at_is_for_a_thread(
    conn: Connection, client: socket.socket, look: Callable[[], Head], before: bytes
) -> None:
    if before:
        client.sendall(before)
        assert readable(conn)
        assert look() is Head.PART
    client.sendall(b"x" * LARGEST_HEAD)
    while (head := look()) is Head.PART:
        assert readable(conn)
    assert head is Head.WHOLE


def test_a_client_that_goes_before_it_sent_anything(
    conn: Connection, client: socket.socket, look: Callable[[], Head]
) -> None:
    client.close()
    assert readable(conn)
    assert look() is Head.GONE


def test_a_client_that_goes_halfway_is_for_a_thread(
    conn: Connection, client: socket.socket, look: Callable[[], Head]
) -> None:
    client.sendall(REQUEST[:5])
    assert readable(conn)
    assert look() is Head.PART
    client.shutdown(socket.SHUT_WR)
    assert readable(conn)
    assert look() is Head.WHOLE


def test_a_connection_that_an_app_has_closed_is_gone(
    conn: Connection, look: Callable[[], Head]
) -> None:
    conn.sock.close()
    assert look() is Head.GONE


def test_a_connection_whose_number_an_app_has_closed_is_closed(conn: Connection) -> None:
    os.close(conn.sock.fileno())
    assert conn.look() is Head.GONE
    assert conn.has_ended()
    conn.close()


def test_a_socket_that_cannot_wait_for_more_is_for_a_thread() -> None:
    client, accepted = socket.socketpair()
    conn = connected(client, accepted)
    with client:
        client.sendall(REQUEST[:5])
        assert conn.look() is Head.PART
        assert readable(conn, 0), "AF_UNIX knows SO_RCVLOWAT by now: this case can go"
        assert conn.look() is Head.WHOLE
    conn.close()


@pytest.mark.parametrize(
    ("together", "later", "first", "then"),
    [
        (REQUEST + REQUEST, b"", Head.WHOLE, None),
        (REQUEST + REQUEST[:-2], b"", Head.PART, None),
        (REQUEST + REQUEST[:-3], REQUEST[-3:], Head.PART, Head.WHOLE),
        (REQUEST + REQUEST[:-3], REQUEST[-3:-1], Head.PART, Head.PART),
        (REQUEST, REQUEST[:-1], Head.NONE, Head.PART),
    ],
    ids=["whole", "part", "the rest comes", "more comes", "a part comes"],
)
def test_what_was_read_along_with_the_request_before_counts(
    conn: Connection,
    client: socket.socket,
    look: Callable[[], Head],
    together: bytes,
    later: bytes,
    first: Head,
    then: Head | None,
) -> None:
    client.sendall(together)
    conn.init()
    assert conn.parser
    assert next(conn.parser).path == "/a"  # type: ignore[arg-type]
    assert look() is first
    if then:
        client.sendall(later)
        assert readable(conn)
        assert look() is then


@pytest.fixture
def kept(conn: Connection, client: socket.socket) -> Connection:
    """Return the connection after its first request."""
    client.sendall(REQUEST)
    conn.init()
    assert conn.parser
    assert next(conn.parser).path == "/a"  # type: ignore[arg-type]
    assert conn.look() is Head.NONE
    return conn


@pytest.mark.parametrize("size", [1, 2, 3, 26, 27, 28, 40])
def test_a_further_request_is_read_as_it_comes(
    kept: Connection, client: socket.socket, size: int
) -> None:
    body = b"0123456789"
    second = b"POST /b HTTP/1.1\r\nContent-Length: 10\r\n\r\n"
    for at in range(0, len(second + body), size):
        client.sendall((second + body)[at : at + size])
        if at < len(second):
            assert readable(kept)
            is_whole = at + size >= len(second)
            assert kept.look() is (Head.WHOLE if is_whole else Head.PART)
            assert kept.has_part()
    request: Any = next(kept.parser)  # type: ignore[arg-type]
    assert (request.path, request.body.read()) == ("/b", body)
    assert kept.look() is Head.NONE


@pytest.mark.parametrize("size", [READ_AT_ONCE - 1, READ_AT_ONCE, READ_AT_ONCE + 1, 20_000])
def test_a_large_further_head_takes_one_look(
    kept: Connection, client: socket.socket, size: int
) -> None:
    before, after = b"GET /b HTTP/1.1\r\nX: ", b"\r\n\r\n"
    head = before + b"x" * (size - len(before + after)) + after
    client.sendall(head[:-1])
    while len(kept.sock.recv(LARGEST_HEAD, socket.MSG_PEEK)) < size - 1:
        assert readable(kept)
    assert kept.look() is Head.PART
    client.sendall(head[-1:])
    assert readable(kept)
    assert kept.look() is Head.WHOLE
    assert kept.ahead() == head


def test_a_further_head_that_is_too_large_is_for_a_thread(
    kept: Connection, client: socket.socket
) -> None:
    client.sendall(b"x" * LARGEST_HEAD)
    assert readable(kept)
    while (head := kept.look()) is Head.PART:
        assert len(kept.ahead()) < LARGEST_HEAD
        assert readable(kept)
    assert head is Head.WHOLE


@pytest.mark.parametrize("part", [b"", REQUEST[:5]])
def test_a_client_that_goes_instead_of_a_further_request(
    kept: Connection, client: socket.socket, part: bytes
) -> None:
    if part:
        client.sendall(part)
        assert readable(kept)
        assert kept.look() is Head.PART
    client.close()
    assert readable(kept)
    assert kept.look() is Head.GONE


def test_a_connection_has_ended_when_the_client_has_closed(
    conn: Connection, client: socket.socket
) -> None:
    conn.end()
    assert client.recv(1) == b""
    assert not conn.has_ended()
    client.sendall(b"too late")
    assert readable(conn)
    assert not conn.has_ended()
    client.close()
    assert readable(conn)
    assert conn.has_ended()


def test_a_client_that_goes_on_sending_is_not_read_without_end(
    conn: Connection, client: socket.socket
) -> None:
    client.settimeout(60)
    for _ in range(MOST_DRAINED // 1024):
        client.sendall(bytes(1024))
        assert readable(conn)
        assert not conn.has_ended()
    client.sendall(b"x")
    assert readable(conn)
    assert conn.has_ended()


def test_a_reset_is_no_end(conn: Connection, client: socket.socket) -> None:
    conn.reset()
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_those_that_are_due_come_first() -> None:
    def waiting(timeout: float) -> Connection:
        conn = Connection(Config(), socket.socket(), ("", 0), None, reader=None)
        conn.timeout = timeout
        conn.close()
        return conn

    conns = OrderedDict((waiting(timeout), None) for timeout in (1.0, 2.0, 3.0))
    taken = []
    for conn in due(conns, 2.0):
        del conns[conn]
        taken.append(conn.timeout)
    assert taken == [1.0, 2.0]
    assert [conn.timeout for conn in conns] == [3.0]
