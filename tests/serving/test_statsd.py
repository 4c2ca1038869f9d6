"""gunicorn's StatsD figures, and those of each app beside them, at a socket of the test's own."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

import pytest

from tests.running import PATIENCE, Project, Serve, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def udp() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(PATIENCE)
        yield listener


def heard(listener: socket.socket, *wanted: str) -> list[str]:
    """Listen until there were figures that begin with each of these; return them all."""
    figures: list[str] = []
    while not all(any(figure.startswith(name) for figure in figures) for name in wanted):
        figures += listener.recv(65536).decode().splitlines()
    return figures


def named(figures: list[str], name: str) -> list[str]:
    return [figure for figure in figures if figure.startswith(f"{name}:")]


GUNICORNS = (
    *("some.app.gunicorn.requests", "some.app.gunicorn.request.duration"),
    *("some.app.gunicorn.request.status.200", "some.app.gunicorn.workers"),
)


def test_gunicorns_figures_and_those_of_apps(
    project: Project, serve: Serve, udp: socket.socket
) -> None:
    project.app("well")
    server = serve(
        f"--statsd-host=127.0.0.1:{udp.getsockname()[1]}", "--statsd-prefix=some.app", workers=2
    )
    assert server.get("/well/").status == 200
    assert server.get("/nowhere").status == 404
    apps = ("some.app.app.well.request.duration", "some.app.app.well.request.status.200")
    # One worker may be behind the other.
    figures = heard(udp, *GUNICORNS, *apps, "some.app.gunicorn.request.status.404")
    [duration] = named(figures, apps[0])
    assert float(duration.partition(":")[2].removesuffix("|ms")) > 0
    assert named(figures, apps[1]) == [f"{apps[1]}:1|c|@1.0"]
    assert len(named(figures, "some.app.gunicorn.request.status.200")) == 1
    assert not [f for f in figures if ".app." in f.removeprefix("some.app.") and "well" not in f]


def test_one_app_alone(project: Project, serve: Serve, udp: socket.socket) -> None:
    project.app("well")
    (project.root / "apps" / "well" / "wsgi.py").write_text(
        "from apps.well import create_app\n\napp = create_app()\n"
    )
    server = serve(
        "apps.well.wsgi:app",
        f"--statsd-host=127.0.0.1:{udp.getsockname()[1]}",
        "--statsd-prefix=some.app",
    )
    assert server.get("/").status == 200
    heard(udp, *GUNICORNS)


def test_unix_sockets_and_tags_are_as_gunicorn_has_them(
    project: Project, serve: Serve, tmp_path: Path
) -> None:
    project.app("well")
    path = tmp_path / "statsd"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(PATIENCE)
        server = serve(f"--statsd-host=unix://{path}", "--dogstatsd-tags=stage:test")
        assert server.get("/well/").status == 200
        figures = heard(listener, "app.well.request.status.200", "gunicorn.requests")
    assert named(figures, "app.well.request.status.200") == [
        "app.well.request.status.200:1|c|@1.0|#stage:test"
    ]


@pytest.mark.parametrize("kind", ["nobody listens", "nobody reads"])
def test_a_lost_server_does_no_harm(
    project: Project, serve: Serve, tmp_path: Path, kind: str
) -> None:
    project.app("well")
    with contextlib.ExitStack() as stack:
        if kind == "nobody listens":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
                closed.bind(("127.0.0.1", 0))
                host = f"127.0.0.1:{closed.getsockname()[1]}"
        else:
            full = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            full.bind(str(tmp_path / "full"))
            host = f"unix://{tmp_path / 'full'}"
        server = serve(f"--statsd-host={host}")
        for number in range(100):  # more than a socket that nobody reads from takes
            assert server.get("/well/", X_Request_ID=f"request-{number}").status == 200
        until(lambda: bool(server.entries("request-99")), "the last one is over")
        server.stop()
    assert "statsd" not in server.lines()
