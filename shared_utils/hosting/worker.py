"""gunicorn's threaded worker, in which a slow client costs no thread before its request is there.

gunicorn gives every new connection a thread and reads its request there, however slowly that comes;
and it waits for clients to close in the very thread that accepts others. Here connections wait in
the poller: for the whole head of a request, and at the end for the client to close. What a thread
reads and writes has to go on (`client.py`), and threads take turns (`pool.py`). Connections with
TLS or HTTP/2, which Rowhouse leaves to a proxy in front, are read in gunicorn's own way.
"""

from __future__ import annotations

import contextlib
import errno
import resource
import selectors
import socket
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from gunicorn.http import wsgi
from gunicorn.workers import gthread

from shared_utils.hosting.client import ClientSocket, ClientTimeout, RequestReader, name_of
from shared_utils.hosting.connection import Connection, Connections, Head, due
from shared_utils.hosting.pool import Pool
from shared_utils.hosting.response import Response
from shared_utils.logging import CONTEXT

if TYPE_CHECKING:
    from gunicorn.http import Request

LINGER = 2.0
"""Seconds that a client has to close its side of a connection that has ended (as in gunicorn)."""

UNWANTED_WITHIN = 0.5
"""Seconds for the rest of a body that nobody reads, if the connection is to be kept."""

ALIVE_EVERY = 0.25
"""Seconds after which the master is told again that the worker lives."""

ACCEPTED_AT_ONCE = 16
"""Connections, at most: others may be for the other workers."""

MOST_UNSENT = 128 * 1024
"""Bytes that the kernel keeps for a client and has not sent. It would take megabytes: to copy those
for each of many clients that do not read keeps others waiting."""

_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Worker(gthread.ThreadWorker):
    """A gthread worker that bounds how long it waits for a client.

    Attributes:
        client_timeout: seconds for the head of a request, and for anything at all to come or go
            while its body is read or its response is written.
    """

    client_timeout = 10.0

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        cfg = self.cfg
        self._looks = not cfg.is_ssl and cfg.protocol == "http" and cfg.http2_cleartext == "off"
        self._waiting: Connections = OrderedDict()
        self._lingering: Connections = OrderedDict()
        self._accepts_at = self._alive_at = 0.0
        self._pool = Pool(self._answer, cfg.threads)

    def init_process(self) -> None:
        """Start, with no more connections than may be open."""
        room = open_files(2 * self.worker_connections) // 2
        if room < self.worker_connections:
            self.log.warning("room for %d connections: raise the limit of open files", room)
            self.worker_connections = room
            self.max_keepalived = max(room - self.cfg.threads, room // 2)
        for listener in self.sockets:
            prepare(listener)
        wsgi.Response = Response  # type: ignore[misc]  # gunicorn has no setting for it
        try:
            super().init_process()
        finally:
            self._pool.shutdown()

    def get_thread_pool(self) -> Pool[Connection]:  # type: ignore[override]
        """Return the threads that requests are answered in."""
        return self._pool

    def give_way(self) -> None:
        """Let another request have the turn of the calling thread, which is about to wait."""
        self._pool.give_way()

    def take_turn(self) -> None:
        """Have a turn for what is left to do in the calling thread, which has waited."""
        self._pool.take_turn()

    def notify(self) -> None:
        """Tell the master that the worker lives; not each time that something has come."""
        now = monotonic()
        if now - self._alive_at >= ALIVE_EVERY:
            self._alive_at = now
            super().notify()

    # In the main thread: a connection's way from one event to the next.

    def accept(self, listener: socket.socket) -> None:
        """Take a new connection; some at once while requests wait, since it naps in between."""
        for _ in range(ACCEPTED_AT_ONCE):
            if not self._accept(listener) or not self._pool.are_waiting:
                break
            if self.nr_conns >= self.worker_connections:
                break

    def _accept(self, listener: socket.socket) -> bool:
        """Take a new connection, if there is one; say so."""
        try:
            sock, address = listener.accept()
        except OSError as error:
            if error.errno in _NO_ROOM:
                self.log.error("no new connections for a second: %s", error)
                self._accepts_at = monotonic() + 1
                self.set_accept_enabled(False)
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                raise
            return False
        self.nr_conns += 1
        if self._looks:
            client = ClientSocket(listener.family, socket.SOCK_STREAM, 0, sock.detach())
            client.patience, client.before_waiting = self.client_timeout, self.give_way
            reader = RequestReader(client, self.client_timeout)
            conn = Connection(self.cfg, client, address, listener.getsockname(), reader=reader)
            self._take(conn, conn.look())
        else:
            conn = Connection(self.cfg, sock, address, listener.getsockname(), reader=None)
            self.enqueue_req(conn)
        return True

    def set_accept_enabled(self, enabled: bool | None) -> None:
        """Take new connections or not; not right after there was no room for one."""
        super().set_accept_enabled(bool(enabled) and monotonic() >= self._accepts_at)

    def _take(self, conn: Connection, head: Head) -> None:
        """Have a thread answer a request whose head is there, or the poller wait for it."""
        until = monotonic() + self._patience(self.client_timeout)
        if conn.reader:
            conn.reader.due = until
        if head in (Head.NONE, Head.PART):
            self._wait(self._waiting, conn, until, self.on_head_readable)
        else:
            self._begin(conn, head)

    def on_head_readable(self, conn: Connection, client: socket.socket) -> None:
        """See whether the head of a request is complete now."""
        head = conn.look()
        if head is not Head.PART:
            self._end_wait(self._waiting, conn)
            self._begin(conn, head)

    def _begin(self, conn: Connection, head: Head) -> None:
        """Have a thread answer a request; or close the connection, where its client has gone."""
        if head is Head.GONE:
            self._close(conn)
        else:
            conn.is_whole = True
            self.enqueue_req(conn)

    def on_client_socket_readable(self, conn: gthread.TConn, client: socket.socket) -> None:
        """Have a thread look at what a connection has got that was kept alive."""
        assert isinstance(conn, Connection)
        if conn.reader:
            conn.reader.due = monotonic() + self._patience(self.client_timeout)
        super().on_client_socket_readable(conn, client)

    def enqueue_req(self, conn: gthread.TConn) -> None:
        """Have a thread answer a request."""
        assert isinstance(conn, Connection)
        if isinstance(conn.sock, ClientSocket):
            conn.sock.came_at = monotonic()
        self._pool.put(conn)

    def wait_for_and_dispatch_events(self, timeout: float | None) -> None:
        """Wait for what comes, while requests wait for their turn no longer than one takes."""
        if self._pool.are_waiting and not self._pool.nap():
            timeout = 0
        super().wait_for_and_dispatch_events(timeout)
        self._pool.look()

    def _finish(self, conn: Connection, result: Any) -> None:
        """Go on with a connection that a thread is done with, and has not kept by itself."""
        with contextlib.suppress(OSError):
            conn.sock.settimeout(None)  # an app may have set one, and left it to this thread
        if not result:
            # The client may still be sending: closing at once would reset the connection, and the
            # answer might be lost before it is read (RFC 9112, section 9.6).
            self._linger(conn)
        elif not conn.reader:
            done: Future[bool] = Future()
            done.set_result(result)
            self.finish_request(conn, done)
        elif (head := conn.look()) is not Head.NONE:
            self._take(conn, head)
        else:
            conn.timeout = monotonic() + self._patience(self.cfg.keepalive)
            self.keepalived_conns.append(conn)
            self._watch(conn, partial(self.on_client_socket_readable, conn))

    def _linger(self, conn: Connection) -> None:
        if conn.has_ended():
            self._close(conn)
        else:
            self._wait(self._lingering, conn, monotonic() + LINGER, self.on_lingering_readable)

    def on_lingering_readable(self, conn: Connection, client: socket.socket) -> None:
        """See whether the client has closed its side."""
        if conn.has_ended():
            self._end_wait(self._lingering, conn)
            self._close(conn)

    def murder_pending(self) -> None:
        """Close connections that are due; and the one that waits longest, where all are taken."""
        super().murder_pending()
        now = monotonic()
        for conn in due(self._lingering, now):
            self._end_wait(self._lingering, conn)
            self._close(conn)
        for conn in due(self._waiting, now):
            self._end_wait(self._waiting, conn)
            self._give_up(conn)
        while self.nr_conns >= self.worker_connections:
            if not (idle := self._lingering or self._waiting):
                break
            conn = next(iter(idle))
            self._end_wait(idle, conn)
            self._close(conn)

    def _give_up(self, conn: Connection) -> None:
        """End a connection whose request did not come."""
        if conn.has_part():
            self.log.info("%s did not send all of its request", name_of(conn.sock))
            conn.refuse()
            self._linger(conn)
        else:  # browsers open some ahead of time
            self.log.debug("%s sent nothing", name_of(conn.sock))
            self._close(conn)

    def _cap_keepalive(self, deadline: float) -> None:
        """Have a worker that stops wait for requests until then at the latest."""
        # Copied in one step: threads add to those that are kept.
        for conn in (*self.keepalived_conns, *self._waiting):
            conn.timeout = min(conn.timeout or deadline, deadline)

    def _patience(self, seconds: float) -> float:
        stopping: float = gthread.STOP_KEEPALIVE_LINGER  # type: ignore[attr-defined]
        return seconds if self.alive else min(seconds, stopping)

    def _wait(
        self,
        conns: Connections,
        conn: Connection,
        until: float,
        readable: Callable[[Connection, socket.socket], None],
    ) -> None:
        conn.timeout = until
        conns[conn] = None
        self._watch(conn, partial(readable, conn))

    def _end_wait(self, conns: Connections, conn: Connection) -> None:
        del conns[conn]
        with contextlib.suppress(KeyError, ValueError):  # an app has closed it
            self.poller.unregister(conn.sock)

    def _watch(self, conn: Connection, readable: Callable[[socket.socket], None]) -> None:
        try:
            self.poller.register(conn.sock, selectors.EVENT_READ, readable)
        except KeyError:
            # An app has closed a socket that it had from an earlier request, and the number of that
            # is given out again.
            self.poller.unregister(conn.sock)
            self.poller.register(conn.sock, selectors.EVENT_READ, readable)

    def _close(self, conn: Connection) -> None:
        self.nr_conns -= 1
        conn.close()

    # In a thread of the pool.

    def _answer(self, conn: Connection) -> None:
        """Answer a request, and go on waiting for the next one."""
        if conn.reader and not conn.is_whole and (head := conn.look()) is not Head.WHOLE:
            self.method_queue.defer(self._take, conn, head)
            return
        conn.is_whole = False
        result = self.handle(conn)
        if not (result and conn.reader and self._keep(conn)):
            self.method_queue.defer(self._finish, conn, result)

    def _keep(self, conn: Connection) -> bool:
        """Have the poller wait for the next request at once, without the main thread.

        False where there is more to do for that: the main thread does it.
        """
        if not self.alive or conn.ahead() or conn.sock.gettimeout() is not None:
            return False
        conn.timeout = monotonic() + self.cfg.keepalive
        self.keepalived_conns.append(conn)  # before it can be readable
        try:
            readable = partial(self.on_client_socket_readable, conn)
            self.poller.register(conn.sock, selectors.EVENT_READ, readable)
        except (KeyError, OSError, ValueError):  # what an app has done to its sockets
            try:
                self.keepalived_conns.remove(conn)
            except ValueError:  # the main thread has closed it: it waited too long to be registered
                return True
            return False
        if not self.alive:  # it was told to stop meanwhile
            conn.timeout = monotonic() + self._patience(self.cfg.keepalive)
        return True

    def handle(self, conn: gthread.TConn) -> bool:
        """Answer a request; whatever it raises ends its connection and no more."""
        assert isinstance(conn, Connection)
        # What is logged before a request is there is of none, and not of the thread's last one.
        for variable in CONTEXT:
            variable.set("")
        try:
            is_kept = super().handle(conn)
        except BaseException:  # gunicorn would end the worker, with all that it serves
            self.log.exception("Error handling request")
            conn.reset()
            return False
        if not is_kept:
            conn.end()
        return is_kept

    def handle_request(self, req: Request, conn: gthread.TConn) -> bool:
        """Have the app answer a request, and read its body as it likes."""
        assert isinstance(conn, Connection)
        if not conn.reader:
            return super().handle_request(req, conn)
        conn.reader.due = None
        try:
            return super().handle_request(req, conn)
        except ClientTimeout:  # logged where it was noticed
            conn.reset()
            return False
        finally:
            # What is left of the body now nobody wants: no thread waits for much of it.
            conn.reader.due = monotonic() + UNWANTED_WITHIN


def prepare(listener: socket.socket) -> None:
    """Set what the connections of a listener inherit from it.

    gunicorn leaves a listener that it was given (``--bind fd://N``, socket activation) as it is:
    with Nagle's algorithm, the second part of an answer waits 40 ms for the client to acknowledge
    the first.
    """
    if listener.family == socket.AF_UNIX:  # it has neither, and its buffer is small as it is
        return
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with contextlib.suppress(AttributeError, OSError):  # Linux, macOS
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, MOST_UNSENT)


def open_files(wanted: int) -> int:
    """Return how many files this process may open, after asking for as many as ``wanted``."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
