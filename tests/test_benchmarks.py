"""Benchmarks take turns, and their clients count what there is to count."""

from __future__ import annotations

import itertools
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import pairs, wrk
from benchmarks.client import Address
from benchmarks.readers import Readers, reading
from tests.requirements import needed

TOO_MUCH = 20_000_000
"""Bytes that no kernel keeps between a server and a client that hardly reads."""


class Pages(BaseHTTPRequestHandler):
    """Answers ``/STATUS/LENGTH``."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        _, status, length = self.path.split("/")
        self.send_response(int(status))
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(bytes(int(length)))

    def log_message(self, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away."""


@pytest.fixture
def address() -> Iterator[Address]:
    with Server(("127.0.0.1", 0), Pages) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield "127.0.0.1", server.server_port
        server.shutdown()
        serving.join()


@pytest.fixture
def has_wrk() -> None:
    needed(shutil.which("wrk"), "wrk")


def test_cases_take_turns() -> None:
    order: list[tuple[str, int]] = []
    cases = {name: lambda number, name=name: order.append((name, number)) for name in "abc"}
    pairs.interleaved(cases, 2)
    assert order == [*((name, 0) for name in "abcabc"), *((name, 1) for name in "cba")]


@given(taken=st.lists(st.sampled_from([0.0, 0.01, 0.5]), min_size=8, max_size=8))
def test_rounds_count_that_other_machines_have_left_alone(taken: list[float]) -> None:
    seconds = itertools.count()
    rounds = 4

    def told() -> tuple[float, float]:
        second = next(seconds)  # before and after each round
        return sum(taken[: (second + 1) // 2]), float(second)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "_taken", told)
        cases = {"a": lambda number: number, "b": lambda number: -number}
        figures = pairs.interleaved(cases, rounds, warm_up=False, calmer_half=True)

    counted = figures["a"]
    assert figures["b"] == [-number for number in counted]
    assert sorted(set(counted)) == counted
    assert len(counted) == rounds
    measured = next(seconds) // 2
    assert measured == 2 * rounds or taken[:measured].count(0.0) == rounds
    passed_over = [taken[number] for number in range(measured) if number not in counted]
    assert max(taken[number] for number in counted) <= min(passed_over, default=1.0)


@pytest.mark.usefixtures("has_wrk")
def test_wrk_tells_answers_from_refusals(address: Address) -> None:
    with wrk.loading(address, "/503/5", 2) as refusing:
        answered = wrk.load(address, "/200/5", 2, seconds=1)

    assert (answered.answered > 0, answered.failed) == (True, 0)
    assert 0 < answered.p99 < answered.seconds * 1e3
    assert sum(count for _, count in answered.latencies) == answered.answered
    assert (refusing.result.answered, refusing.result.broken) == (0, 0)
    assert refusing.result.failed == refusing.result.refused > 0


def test_loads_of_a_round_are_taken_together() -> None:
    quick, slow = (
        wrk.Load(seconds=1.0, answered=n, refused=0, broken=broken, latencies=[(took, n)])
        for n, took, broken in ((990, 1_000, 0), (10, 50_000, 1))
    )
    assert (quick.p99, slow.p99) == (1.0, 50.0)
    both = wrk.Load.together([slow, quick])
    assert (both.rate, both.failed, both.p99) == (500.0, 1, 1.0)
    assert wrk.Load.together([slow, quick, slow]).p99 == 50.0


@pytest.mark.usefixtures("has_wrk")
def test_wrk_counts_what_is_never_answered() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        counted = wrk.load(silent.getsockname(), "/", 2, seconds=1)

    assert (counted.answered, counted.refused, counted.rate) == (0, 0, 0)
    assert counted.p99 == counted.seconds * 1e3


@pytest.mark.parametrize("status", [200, 503])
def test_readers_are_still_reading(
    address: Address, eventually: Callable[[Callable[[], bool]], None], status: int
) -> None:
    def counted(readers: Readers) -> tuple[int, int]:
        return readers.answered, readers.refused

    with reading(address, f"/{status}/{TOO_MUCH}", 3) as readers:
        eventually(lambda: counted(readers) == ((3, 0) if status == 200 else (0, 3)))
