"""A sibling that hangs, or whose clients read slowly, takes its share and no more."""

from __future__ import annotations

import select

import pytest

from tests.raw import request
from tests.running import Project, Serve, Server, until
from tests.serving.siblings import GATED, Gate
from tests.serving.walling import (
    PATIENT,
    SMALL,
    Clients,
    load,
    until_at_rest,
)


def waiting(count: int, name: str = "hung") -> list[bytes]:
    return [request(f"/{name}/wait/{number}") for number in range(count)]


@pytest.mark.parametrize(
    ("settings", "flags", "running", "held"),
    [(SMALL, [], 6, 24), (PATIENT, ["--threads=32"], 3, 24)],
    ids=["settings", "flag"],
)
def test_a_hanging_app_takes_its_share_and_no_more(
    project: Project,
    serve: Serve,
    gate: Gate,
    clients: Clients,
    settings: str,
    flags: list[str],
    running: int,
    held: int,
) -> None:
    """Three quarters of slots and threads; 32 threads instead of 512 make 4 slots of 64."""
    project.app("hung", GATED)
    project.app("well")
    project.operator(settings)
    server = serve(*flags)
    assert server.get("/well/").text == "well"

    hanging = clients(server, *waiting(held))
    until(lambda: load(server, "hung") == (running, held - running, held), "all are admitted")
    shed = server.get("/hung/wait/more")
    assert (shed.status, shed.json["app"]) == (503, "hung")
    assert shed.headers["Retry-After"] == "60"
    assert server.get("/well/").text == "well"
    assert server.get("/-/live").status == 200

    gate.open(held)
    for number, client in enumerate(hanging):
        answer = client.answer()
        assert (answer.status, answer.text) == (200, str(number))
    until_at_rest(server, "hung")
    assert sorted(gate.passed, key=int) == [str(number) for number in range(held)]


def test_two_hanging_apps_leave_room_for_a_third(
    project: Project, serve: Serve, gate: Gate, clients: Clients
) -> None:
    for name in ("hung", "stuck"):
        project.app(name, GATED)
    project.app("well")
    project.operator(SMALL)
    server = serve()
    assert server.get("/well/").text == "well"

    asking = [client.socket for client in clients(server, *waiting(40), *waiting(40, "stuck"))]

    def is_settled() -> bool:
        shed = select.select(asking, [], [], 0)[0]
        return len(shed) + load(server, "hung")[2] + load(server, "stuck")[2] == 80

    until(is_settled, "all are admitted or shed")
    for name in ("hung", "stuck"):
        assert server.get(f"/{name}/wait/more").status == 503
    for _ in range(20):
        assert server.get("/well/").text == "well"
    gate.open(80)


def test_parked_requests_are_admitted_in_their_order(
    project: Project, serve: Serve, gate: Gate, clients: Clients
) -> None:
    project.app("hung", GATED, "limits.max_running = 1\n")
    project.operator(PATIENT)
    server = serve()
    assert load(server, "hung") == (0, 0, 0)

    waiting_clients = []
    for number, ask in enumerate(waiting(6)):
        waiting_clients += clients(server, ask)
        until(lambda parked=number: load(server, "hung") == (1, parked, parked + 1), "it is parked")  # type: ignore[misc]
    for number, client in enumerate(waiting_clients):
        gate.open(1)
        assert client.answer().text == str(number)
    assert gate.passed == [str(number) for number in range(6)]
    until_at_rest(server, "hung")


def test_a_request_is_parked_no_longer_than_the_queue_timeout(
    project: Project, serve: Serve, gate: Gate, clients: Clients
) -> None:
    project.app("hung", GATED, "limits.max_running = 1\nlimits.queue_timeout = 0.3\n")
    project.operator(PATIENT)
    server = serve()
    [running] = clients(server, request("/hung/wait/0"))
    until(lambda: load(server, "hung") == (1, 0, 1), "it runs")

    shed = server.get("/hung/wait/1")
    assert (shed.status, shed.headers["Retry-After"]) == (503, "1")
    until(lambda: load(server, "hung") == (1, 0, 1), "the other one has left")
    gate.open(1)
    assert running.answer().text == "0"
    assert gate.passed == ["0"]


def test_a_cap_on_threads_sheds_what_is_above_it(
    project: Project, serve: Serve, gate: Gate, clients: Clients
) -> None:
    project.app("hung", GATED, "limits.max_threads = 2\n")
    project.operator(PATIENT)
    server = serve()
    clients(server, *waiting(2))
    until(lambda: load(server, "hung") == (2, 0, 2), "both run")

    assert server.get("/hung/wait/more").status == 503


def serve_files(project: Project, serve: Serve) -> Server:
    """Serve an app with large answers, and a neighbour."""
    project.app("files", GATED)
    project.app("well")
    project.operator(SMALL)
    server = serve()
    assert server.get("/well/").text == "well"
    return server


def test_slow_readers_hold_threads_of_their_own_app_but_no_slots(
    project: Project, serve: Serve, clients: Clients
) -> None:
    server = serve_files(project, serve)
    readers = clients(server, *[request("/files/large")] * 24, buffer=4096)
    until(lambda: load(server, "files") == (0, 0, 24), "all are being sent to")
    assert server.get("/files/large").status == 503
    for _ in range(20):
        assert server.get("/well/").text == "well"
    slow = readers.pop()
    assert len(slow.answer().text) == 5_000_000
    until(lambda: load(server, "files") == (0, 0, 23), "one has read all of it")
    for reader in readers:
        reader.reset()
    until_at_rest(server, "files")
    assert len(server.get("/files/large").text) == 5_000_000


def test_slow_readers_of_a_stream_hold_slots_of_their_own_app(
    project: Project, serve: Serve, clients: Clients
) -> None:
    """Nobody knows where a stream ends before it does."""
    server = serve_files(project, serve)
    readers = clients(server, *[request("/files/stream")] * 24, buffer=4096)
    until(lambda: load(server, "files") == (6, 18, 24), "six are being sent to")
    for _ in range(20):
        assert server.get("/well/").text == "well"
    for reader in readers:
        reader.reset()
    until_at_rest(server, "files")
