"""A sibling that computes leaves its neighbours their share of the interpreter."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from shared_utils.hosting.walls.allowances import FIRST
from tests.raw import request
from tests.running import Answer, Project, Serve, Server, until
from tests.serving.walling import PATIENT, Clients, load

BURNS = """
    import os
    from time import sleep, thread_time

    from flask import Flask
    from config import configure_app

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)

        @app.get("/burn")
        def burn(seconds=0.03):
            until = thread_time() + seconds
            while thread_time() < until:
                pass
            return "burnt"

        @app.get("/burn/for-ever")
        def burn_for_ever():
            while not os.path.exists("enough"):
                burn(0.01)
            return "burnt"

        @app.get("/wait")
        def wait_in_little_steps():
            while not os.path.exists("enough"):
                sleep(0.005)
            return "waited"

        return app
"""


class Flood:
    """Clients that ask again as soon as they are answered."""

    def __init__(self, count: int) -> None:
        self._count, self._is_over = count, threading.Event()
        self._threads: list[threading.Thread] = []
        self.failed: list[Answer] = []

    def begin(self, ask: Callable[[], Answer]) -> None:
        def again_and_again() -> None:
            while not self._is_over.is_set():
                if (answer := ask()).status != 200:
                    self.failed.append(answer)

        for _ in range(self._count):
            self._threads.append(threading.Thread(target=again_and_again))
            self._threads[-1].start()

    def end(self) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def server(project: Project, serve: Serve) -> Server:
    """Serve an app that computes, and one that is well."""
    project.app("greedy", BURNS)
    project.app("well")
    project.operator(PATIENT)
    served = serve()
    assert served.get("/well/").text == "well"
    return served


@pytest.fixture
def flood() -> Iterator[Flood]:
    made = Flood(12)
    yield made
    made.end()


def test_an_app_that_computes_runs_one_request_at_a_time_where_others_wait(
    server: Server, flood: Flood
) -> None:
    flood.begin(lambda: server.get("/greedy/burn"))

    def is_held_back() -> bool:
        for _ in range(10):
            assert server.get("/well/").text == "well"
        running, parked, _ = load(server, "greedy")
        return running == 1 and parked > 0

    for _ in range(3):
        until(is_held_back, "it is held back")
    flood.end()
    assert not flood.failed


def test_before_anything_is_known_of_it_few_of_its_requests_compute(
    project: Project, server: Server, clients: Clients
) -> None:
    burning = clients(server, *[request("/greedy/burn/for-ever")] * 30)
    until(lambda: load(server, "greedy")[2] == 30, "all of them are there")
    for _ in range(20):
        assert server.get("/well/").text == "well"
        # More than that where the machine gives this process too little time to tell by.
        assert load(server, "greedy")[0] <= 4 * FIRST
    (project.root / "enough").touch()
    for client in burning:
        assert client.answer().text == "burnt"


def test_requests_that_wait_in_little_steps_get_all_the_slots_there_are_for_them(
    project: Project, serve: Serve, clients: Clients
) -> None:
    project.app("greedy", BURNS)
    project.operator(PATIENT)
    server = serve()
    waiting = clients(server, *[request("/greedy/wait")] * 60)
    until(lambda: load(server, "greedy") == (48, 12, 60), "three quarters of the slots are taken")
    (project.root / "enough").touch()
    for client in waiting:
        assert client.answer().text == "waited"
