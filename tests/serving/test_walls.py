"""Whatever a sibling does, its neighbours answer, and so do its worker and gunicorn's master."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import itertools
import select
from collections.abc import Callable, Iterator

import pytest

from tests.raw import Client, chunked, request
from tests.running import Project, Serve, Server, entries, until
from tests.serving.siblings import BREAKS_WSGI, FAILURES, GATED, RAISES, Gate

PATIENT = """
    [host.limits]
    queue_timeout = 600.0
    deadline = 0.0
"""
SMALL = f"""
    [host]
    slots = 8
    threads = 32
    {PATIENT}
"""

SAID = {
    "no_start": "it gave a body, but did not call start_response before",
    "no_start_empty": "did not call start_response",
    "none": "it returned None; return an iterable of bytes",
    "number": "it returned an int; return an iterable of bytes",
    "text_body": "its body is made of a str; write bytes",
    "text_written": "its body is made of a str; write bytes",
    "chunk_none": "its body is made of None; write bytes",
    "twice": "it called start_response twice",
    "status_number": 'its status is 200; write text such as "200 OK"',
    "status_text": "its status is 'OK'; write text",
    "status_lines": "its status is '200 OK\\r\\nX-Split: 1'; write text",
    "header_value": "its header 'X-Split' has characters that no header may have",
    "header_name": "its header 'X Split' has characters that no header may have",
    "header_number": "it has a tuple for a header; write tuples of two texts",
    "header_list": "it has a str for a header; write tuples of two texts",
    "length": "its Content-Length is 'many'; write a number of bytes",
    "too_short": "its response is 9 bytes shorter than its Content-Length",
    "no_wsgi": "takes 0 positional arguments but 2 were given",
}

_ids = itertools.count(1)


def new_id() -> str:
    return f"request-{next(_ids):04}"


def errors(server: Server, request_id: str) -> list[str]:
    """Return what the log says went wrong in one request."""
    said = server.entries(request_id)
    return [entry["message"] for entry in said if entry["level"] == "error"]


def only_error(server: Server, request_id: str) -> str:
    """Wait until the log says what went wrong in a request, once; return that."""
    until(lambda: bool(errors(server, request_id)), "the log tells of it")
    [error] = errors(server, request_id)
    return error


def load(server: Server, name: str) -> tuple[int, int, int]:
    """Return the requests of a mount that run and are parked, and the threads that it holds."""
    told = server.get("/-/ready").json["mounts"][name]
    return told["running"], told["parked"], told["threads"]


def until_at_rest(server: Server, *names: str) -> None:
    """Wait until these mounts hold nothing: a response is there a moment before it is over."""
    until(lambda: all(load(server, name) == (0, 0, 0) for name in names), "all is given back")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Processes:
    server: Server
    workers: set[int]

    @property
    def are_the_same(self) -> bool:
        return self.server.process.poll() is None and self.server.workers() == self.workers


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """One server for all tests of what an app does to itself: it outlives them all."""
    project = Project(tmp_path_factory.mktemp("broken"))
    project.app("raises", RAISES, "app = 'apps.raises:application'\n")
    project.app("breaks", BREAKS_WSGI, "app = 'apps.breaks:application'\n")
    project.app("well")
    server = Server(project, environ=None)
    try:
        assert server.get("/well/").text == "well"
        yield Processes(server=server, workers=server.workers())
    finally:
        server.stop()


@pytest.fixture
def server(broken: Processes) -> Iterator[Server]:
    yield broken.server
    assert broken.server.get("/well/").text == "well"
    assert broken.are_the_same
    until_at_rest(broken.server, "raises", "breaks")


@pytest.mark.parametrize(
    ("failure", "where"),
    [
        (failure, where)
        for failure in FAILURES
        for where in ("call", "started", "first")
        if (failure, where) != ("StopIteration", "first")  # the end of the body
    ],
)
def test_what_an_app_raises_is_one_500_with_a_traceback_in_the_log(
    server: Server, failure: str, where: str
) -> None:
    if failure == "StopIteration" and where != "started":
        pytest.skip("is the end of the body, or of a WebSocket")
    given = new_id()
    with Client(server.port) as client:
        ask = request(f"/raises/{failure}/{where}", "GET", f"X-Request-ID: {given}")
        client.send(ask, request("/well/"))
        answer = client.answer()
        after = client.answer()
    assert (answer.status, answer.headers["Content-Type"]) == (500, "application/problem+json")
    assert answer.json == {
        "status": 500,
        "title": "Internal Server Error",
        "detail": "Raises could not answer this request.",
        "app": "raises",
        "request_id": given,
    }
    assert after.text == "well"
    error = only_error(server, given)
    assert error.startswith(f"GET /raises/{failure}/{where}: raises failed: {failure}")
    assert "Traceback" in error


@pytest.mark.parametrize(
    ("failure", "framing"),
    [
        (failure, framing)
        for failure in FAILURES
        for framing in ("chunked", "length", "HTTP/1.0")
        if failure != "StopIteration" or framing == "length"
    ],
)
def test_what_it_raises_later_cuts_the_response_so_that_the_client_sees_it(
    server: Server, failure: str, framing: str
) -> None:
    given, version = new_id(), "1.0" if framing == "HTTP/1.0" else "1.1"
    cut = ConnectionResetError if version == "1.0" else http.client.IncompleteRead
    path = f"/raises/{failure}/later?{framing}"
    with Client(server.port) as client:
        client.send(request(path, "GET", f"X-Request-ID: {given}", version=version))
        with pytest.raises(cut) as caught:
            client.answer()
    if isinstance(caught.value, http.client.IncompleteRead):
        assert caught.value.partial == b"first"
    error = only_error(server, given)
    assert error.startswith(f"GET /raises/{failure}/later: raises ")


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("framing", ["chunked", "length"])
def test_what_close_raises_is_logged_and_the_response_stands(
    server: Server, failure: str, framing: str
) -> None:
    given = new_id()
    with Client(server.port) as client:
        ask = request(f"/raises/{failure}/close?{framing}", "GET", f"X-Request-ID: {given}")
        client.send(ask, request("/well/"))
        assert client.answer().text == "firstlaterlast"
        assert client.answer().text == "well"
    error = only_error(server, given)
    assert "raises failed in close(); its response stands" in error
    assert failure in error


@pytest.mark.parametrize(("fault", "said"), SAID.items(), ids=SAID)
def test_an_app_that_breaks_wsgi_gets_a_500_and_is_told_what_it_did(
    server: Server, fault: str, said: str
) -> None:
    given = new_id()
    with Client(server.port) as client:
        client.send(request(f"/breaks/{fault}", "GET", f"X-Request-ID: {given}"), request("/well/"))
        answer = client.answer()
        assert client.answer().text == "well"
    assert (answer.status, answer.json["app"]) == (500, "breaks")
    assert "X-Split" not in answer.headers
    error = only_error(server, given)
    assert error.startswith(f"GET /breaks/{fault}: breaks ")
    assert said in error


def test_an_interrupt_that_comes_with_another_failure_ends_no_worker(
    project: Project, serve: Serve
) -> None:
    """The app is blocked in C past its deadline, and fails there: both come at once."""
    project.app(
        "sick",
        """
        import socket

        def application(environ, start_response):
            with_time_out, other_end = socket.socketpair()
            with_time_out.settimeout(0.5)
            with_time_out.recv(1)
        """,
        "app = 'apps.sick:application'\nlimits.deadline = 0.05\n",
    )
    project.app("well")
    server = serve()
    assert server.get("/well/").text == "well"
    workers = server.workers()

    for _ in range(3):
        assert server.get("/sick/").status in (500, 504)
    assert server.get("/well/").text == "well"
    assert server.workers() == workers
    until_at_rest(server, "sick")


@pytest.fixture
def clients() -> Iterator[Callable[..., list[Client]]]:
    """Return a function that connects clients which have sent their requests, and read nothing."""
    with contextlib.ExitStack() as stack:

        def sent(server: Server, *requests: bytes, buffer: int | None = None) -> list[Client]:
            return [
                stack.enter_context(Client(server.port, buffer=buffer)).send(each)
                for each in requests
            ]

        yield sent


Clients = Callable[..., list[Client]]


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


SLOW = """
    import time

    from flask import Flask, Response, request
    from config import configure_app

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)

        def spin():
            while True:
                time.sleep(0.01)

        app.add_url_rule("/spin", "spin", spin)

        @app.post("/echo")
        def echo():
            return request.get_data()

        @app.get("/stream")
        def stream():
            def chunks():
                yield "one"
                spin()
            length = {"Content-Length": "9"} if "length" in request.args else {}
            return Response(chunks(), headers=length)

        @app.errorhandler(Exception)
        def never(error):
            return "the app has caught it"

        return app
"""


def test_what_takes_longer_than_its_deadline_is_a_504_and_logged_with_its_stack(
    project: Project, serve: Serve
) -> None:
    project.app("slow", SLOW, "owner = 'team-slow'\nlimits.deadline = 0.2\n")
    project.app("well")
    server = serve()
    given = new_id()
    with Client(server.port) as client:
        client.send(request("/slow/spin?secret=1", "GET", f"X-Request-ID: {given}"))
        assert server.get("/well/").text == "well"
        answer = client.answer()
        assert client.send(request("/well/")).answer().text == "well"
    assert (answer.status, answer.headers["Content-Type"]) == (504, "application/problem+json")
    assert answer.json["detail"] == "Slow took too long to answer this request."
    message = only_error(server, given)
    assert message.startswith("GET /slow/spin of slow (team-slow) has taken longer than 0.2 s.")
    assert "in spin" in message
    assert "secret" not in message
    assert {entry["app"] for entry in server.entries(given)} == {"slow"}
    until_at_rest(server, "slow")


@pytest.mark.parametrize(
    ("query", "version", "cut"),
    [
        ("", "1.1", http.client.IncompleteRead),
        ("?length", "1.1", http.client.IncompleteRead),
        ("", "1.0", ConnectionResetError),
    ],
)
def test_a_stream_is_cut_at_its_deadline(
    project: Project, serve: Serve, query: str, version: str, cut: type[Exception]
) -> None:
    project.app("slow", SLOW, "limits.stream_deadline = 0.2\n")
    server = serve()
    with Client(server.port) as client:
        client.send(request(f"/slow/stream{query}", version=version))
        with pytest.raises(cut):
            client.answer()
    until(lambda: "has taken longer than 0.2 s" in server.lines(), "the log tells of it")
    until_at_rest(server, "slow")


def test_a_body_that_comes_slowly_is_not_on_the_apps_time(project: Project, serve: Serve) -> None:
    project.app("slow", SLOW, "limits.deadline = 1.0\n")
    server = serve()
    whole = request("/slow/echo", "POST", body=b"half" * 2)
    with Client(server.port) as client:
        client.send(whole[:-4])
        until(lambda: load(server, "slow") == (1, 0, 1), "it waits for the rest")
        # What begins after it passes the deadline before it ends.
        assert server.get("/slow/spin").status == 504
        assert client.send(whole[-4:]).answer().text == "halfhalf"


def test_deadlines_that_fire_side_by_side_touch_no_neighbour(
    project: Project, serve: Serve, clients: Clients
) -> None:
    project.app("slow", SLOW, "limits.deadline = 0.1\n")
    project.app("well")
    server = serve()
    spinning = clients(server, *[request("/slow/spin")] * 20)
    for _ in range(50):
        assert server.get("/well/").text == "well"
    assert [client.answer().status for client in spinning] == [504] * 20
    until_at_rest(server, "slow")


@pytest.fixture(scope="module")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = Project(tmp_path_factory.mktemp("bodies"))
    project.app(
        "takes",
        """
        from flask import Flask, request
        from config import configure_app

        def create_app(overrides=None):
            app = Flask(__name__)
            configure_app(app, overrides)
            app.add_url_rule("/", "index", lambda: "takes")
            app.add_url_rule("/blind", "blind", lambda: "not read", methods=["POST"])

            @app.post("/")
            def takes():
                return str(len(request.get_data()))

            @app.post("/swallow")
            def swallow():
                try:
                    while request.stream.read(1000):
                        pass
                except Exception:
                    pass
                return "as if nothing had happened"

            return app
        """,
        "limits.max_body = 100_000\n",
    )
    project.app(
        "plain",
        """
        def application(environ, start_response):
            body = environ["wsgi.input"].read()
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [str(len(body)).encode()]
        """,
        "app = 'apps.plain:application'\nlimits.max_body = 100_000\n",
    )
    server = Server(project, environ=None)
    try:
        assert server.get("/takes/").text == "takes"
        yield server
    finally:
        server.stop()


EXPECT = "Expect: 100-continue"
CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.parametrize("path", ["/takes/", "/takes/blind", "/plain/"])
@pytest.mark.parametrize("fields", [(), (EXPECT,)], ids=["at once", "expect"])
def test_a_body_that_is_announced_as_too_large_is_refused_before_it_is_sent(
    bodies: Server, path: str, fields: tuple[str, ...]
) -> None:
    with Client(bodies.port) as client:
        client.send(request(path, "POST", "Content-Length: 100001", *fields))
        answer = client.answer("POST")
    assert (answer.status, answer.headers["Content-Type"]) == (413, "application/problem+json")
    assert answer.json["detail"].endswith(" takes request bodies of up to 100000 bytes.")
    until_at_rest(bodies, path.split("/")[1])


@pytest.mark.parametrize("path", ["/takes/", "/plain/"])
@pytest.mark.parametrize(
    "body",
    [
        request("", body=bytes(100_000)).partition(b"\r\n\r\n")[2],
        chunked(bytes(60_000), bytes(40_000)),
    ],
    ids=["length", "chunked"],
)
def test_a_body_of_exactly_as_much_is_taken(bodies: Server, path: str, body: bytes) -> None:
    fields = [CHUNKED] if len(body) > 100_000 else []
    with Client(bodies.port) as client:
        client.send(request(path, "POST", *fields, body=body), request("/takes/"))
        answer = client.answer("POST")
        assert (answer.status, answer.text) == (200, "100000")
        assert client.answer().text == "takes"


@pytest.mark.parametrize("path", ["/takes/", "/takes/swallow", "/plain/"])
@pytest.mark.parametrize("rest", [b"", b"0\r\n\r\n", b"ffff\r\n"], ids=["open", "end", "more"])
def test_a_chunked_body_is_cut_off_where_it_passes_the_limit(
    bodies: Server, path: str, rest: bytes
) -> None:
    """Answered at once, with no need for the rest of it."""
    body = chunked(bytes(60_000), bytes(50_000))[: -len(b"0\r\n\r\n")]
    with Client(bodies.port) as client:
        client.send(request(path, "POST", CHUNKED, body=body + rest))
        answer = client.answer("POST")
    assert answer.status == 413
    # An app that lets the error pass, or makes a page of it, answers 413 as well.
    is_own = path == "/takes/"
    assert answer.headers["Content-Type"].startswith("text/html" if is_own else "application/p")
    until_at_rest(bodies, path.split("/")[1])
    assert bodies.get("/takes/").text == "takes"


@pytest.mark.parametrize(
    "sent",
    [
        request("/takes/", "POST", "Content-Length: 9", body=b"short"),
        request("/takes/", "POST", CHUNKED, body=b"9\r\nshort"),
        request("/plain/", "POST", "Content-Length: 9", body=b"short"),
    ],
)
def test_a_client_that_goes_in_the_middle_of_its_body_leaves_nothing_behind(
    bodies: Server, sent: bytes
) -> None:
    """And nothing to read about: Flask itself may log what it met."""
    before = len(bodies.lines())
    with Client(bodies.port) as client:
        client.send(sent)
        until(lambda: load(bodies, "takes")[2] + load(bodies, "plain")[2] == 1, "it is read")
        client.reset()
    until(lambda: load(bodies, "takes")[2] + load(bodies, "plain")[2] == 0, "all is given back")

    def said() -> str:
        return bodies.lines()[before:]

    def paths() -> set[str]:
        return {entry.get("path", "") for entry in entries(said())}

    until(lambda: not paths().isdisjoint({"/takes/", "/plain/"}), "it is logged")
    assert {entry["logger"] for entry in entries(said())} <= {"apps.takes", "rowhouse.access"}
    assert all(line.startswith("{") for line in said().splitlines()), "and nothing besides entries"


def test_in_debug_errors_reach_the_server_and_deadlines_are_off(
    project: Project, serve: Serve, clients: Clients, gate: Gate
) -> None:
    project.app("raises", RAISES, "app = 'apps.raises:application'\n")
    project.app("hung", GATED, "limits.deadline = 0.1\n")
    project.app("slow", SLOW, "limits.deadline = 0.1\n")
    project.app("well")
    server = serve(environ={"FLASK_DEBUG": "1"})
    assert server.get("/well/").text == "well"
    workers = server.workers()

    [waits] = clients(server, request("/hung/wait/0"))
    answer = server.get("/raises/ValueError/call")
    assert (answer.status, answer.headers["Content-Type"]) == (500, "text/html")
    assert "Error handling request" in server.lines()  # gunicorn's own words
    until(lambda: load(server, "hung") == (1, 0, 1), "it waits")
    gate.open(1)
    assert waits.answer().text == "0"
    assert "has taken longer" not in server.lines()
    assert server.get("/raises/ValueError/close").status == 200
    assert server.get("/well/").text == "well"
    assert server.workers() == workers
    until_at_rest(server, "raises")


def test_an_app_that_hangs_while_it_logs_keeps_nobody_from_logging(
    project: Project, serve: Serve, clients: Clients, gate: Gate
) -> None:
    project.app(
        "hung",
        """
        from flask import Flask
        from config import configure_app

        class Asked:
            def __str__(self):
                with open("gate", "rb", buffering=0) as gate:
                    gate.read(1)
                return "said"

        def create_app(overrides=None):
            app = Flask(__name__)
            configure_app(app, overrides)

            @app.get("/")
            def index():
                app.logger.warning("%s", Asked())
                return "hung"

            return app
        """,
    )
    project.app("raises", RAISES, "app = 'apps.raises:application'\n")
    project.operator(PATIENT)
    server = serve()
    [hanging] = clients(server, request("/hung/"))
    until(lambda: load(server, "hung") == (1, 0, 1), "it hangs")

    given = new_id()
    assert server.get("/raises/ValueError/call", X_Request_ID=given).status == 500
    only_error(server, given)
    assert load(server, "hung") == (1, 0, 1)
    gate.open(1)
    assert hanging.answer().text == "hung"
    assert '"message": "said"' in server.lines()
