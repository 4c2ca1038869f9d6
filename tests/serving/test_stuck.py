"""A thread that is blocked in C costs one worker, and its neighbours nothing."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest

from tests.running import Project, Serve, Server, until

BLOCKS = """
    import ctypes
    import os

    def application(environ, start_response):
        reading, writing = os.pipe()
        ctypes.CDLL(None).read(reading, ctypes.create_string_buffer(1), 1)
"""


class Asker:
    """A client that asks a neighbour every 50 ms, each time over a new connection."""

    def __init__(self, server: Server) -> None:
        self.server, self.waits, self.failures = server, list[float](), list[object]()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(30)

    def _ask(self) -> None:
        while not self._over.wait(0.05):
            began = time.monotonic()
            try:
                answer = self.server.get("/well/")
                if answer.status != 200:
                    self.failures.append(answer)
            except OSError as error:
                self.failures.append(error)
            self.waits.append(time.monotonic() - began)


@pytest.mark.slow
def test_a_worker_with_a_thread_blocked_in_c_is_replaced(project: Project, serve: Serve) -> None:
    project.app("stuck", BLOCKS, 'app = "apps.stuck:application"\n[limits]\ndeadline = 0.2\n')
    project.app("well")
    server = serve()
    until(lambda: server.states() == {"stuck": "up", "well": "up"}, "both are up")
    [first] = server.workers()
    asker = Asker(server)

    hanging = threading.Thread(target=lambda: _ignored(server), daemon=True)
    hanging.start()
    until(lambda: server.workers() != {first}, "a successor has started")
    until(lambda: first not in server.workers(), "the worker that was stuck has left")
    asker.stop()

    # With -rP, pytest shows it; a test does not judge seconds.
    print(f"longest of {len(asker.waits)} waits: {max(asker.waits) * 1000:.0f} ms")
    assert asker.failures == []
    assert len(server.workers()) == 1
    lines = server.lines()
    assert "GET /stuck/ of stuck has taken longer than 0.2 s" in lines
    assert f"worker {first} is replaced: threads of it that are blocked in C: 1" in lines


def _ignored(server: Server) -> None:
    with contextlib.suppress(OSError):  # its worker ends
        server.get("/stuck/")
