"""One gunicorn serves siblings, and applications that never heard of Rowhouse."""

from __future__ import annotations

import socket
import urllib.parse

import pytest

from tests.running import Project, Serve, until


def test_foreign_applications_are_mounted_by_lines_in_the_operator_file(
    project: Project, serve: Serve
) -> None:
    """klaus is a Flask app, pypiserver is none; both are from the package index."""
    project.app("well")
    (project.root / "packages").mkdir()
    (project.root / "packages" / "thing-1.0.tar.gz").write_bytes(b"archive")
    project.operator(
        f"""
        [mounts.code]
        app = "klaus:make_app([], 'Our code')"
        [mounts.index]
        app = "pypiserver:app(root='{project.root}/packages')"
        prefix = "/packages/index"
        [mounts.hello]
        app = "werkzeug.testapp:test_app"
        """
    )
    server = serve()

    assert server.get("/well/").text == "well"
    code = server.get("/code/")
    assert code.status == 200
    assert "Our code" in code.text
    assert 'href="/code/static/' in code.text
    index = server.get("/packages/index/simple/thing/")
    assert index.status == 200
    assert "/packages/index/packages/thing-1.0.tar.gz" in index.text
    assert server.get("/packages/index/packages/thing-1.0.tar.gz").text == "archive"
    assert "WSGI Information" in server.get("/hello/").text
    assert set(server.states().values()) == {"up"}


def test_prefixes_nest_and_may_be_non_ascii(project: Project, serve: Serve) -> None:
    project.app("outer", manifest='prefix = "/a"\n')
    project.app("inner", manifest='prefix = "/a/b"\n')
    project.app("coffee", manifest='prefix = "/café/größe"\n')
    server = serve()

    assert server.get("/a/").text == "outer"
    assert server.get("/a/b/").text == "inner"
    assert server.get("/a/bx").status == 404
    assert server.get(urllib.parse.quote("/café/größe/")).text == "coffee"
    redirect = server.get(urllib.parse.quote("/café/größe"))
    assert urllib.parse.unquote(redirect.headers["Location"]).endswith("/café/größe/")


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("OPTIONS * HTTP/1.1", b"204"),
        ("GET /well" + "/" * 4000 + " HTTP/1.1", b"200"),
        ("GET " + "/" * 4000 + " HTTP/1.1", b"404"),
        ("GET http://x HTTP/1.1", b"404"),
        ("GET /- HTTP/1.1", b"404"),
        ("GET /-/nothing HTTP/1.1", b"404"),
        ("POST /-/live HTTP/1.1", b"405"),
        ("GET /%2e%2e/well/ HTTP/1.1", b"404"),
        ("GET /%FF%FE HTTP/1.1", b"404"),
    ],
    ids=["asterisk", "slashes", "bare slashes", "empty path", "-", "-/x", "405", "dots", "bytes"],
)
def test_odd_request_lines_do_no_harm(
    project: Project, serve: Serve, request_line: str, status: bytes
) -> None:
    project.app("well")
    server = serve()

    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
        client.sendall(f"{request_line}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = client.makefile("rb").read()
    assert answer.split()[1] == status
    assert server.get("/well/").text == "well"


def test_a_wrong_operator_file_stops_the_start_with_every_mistake(
    project: Project, serve: Serve
) -> None:
    project.app("well", manifest="ownr = 'x'\n")
    project.operator("[host]\nthread = 4\nslots = 'many'\n[mounts.nothing]\n")
    server = serve()

    assert server.process.wait(60) == 1
    log = server.lines()
    assert "rowhouse does not start: 4 mistakes in the settings:" in log
    assert 'rowhouse.toml: host.thread: unknown key; write "threads"' in log
    assert "rowhouse.toml: host.slots: found 'many'; write a whole number" in log
    assert "rowhouse.toml: mounts.nothing: no app" in log
    assert 'apps/well/app.toml: ownr: unknown key; write "owner"' in log
    assert "Traceback" not in log


def test_only_a_subset_is_served(project: Project, serve: Serve) -> None:
    for name in ("alpha", "beta", "gamma"):
        project.app(name)
    server = serve(environ={"ROWHOUSE_ONLY": "alpha, gamma"})

    assert server.states() == {"alpha": "up", "gamma": "up"}
    assert server.get("/beta/").status == 404


def test_an_app_is_served_alone_from_the_same_folder(project: Project, serve: Serve) -> None:
    project.app("well")
    (project.root / "apps" / "well" / "wsgi.py").write_text(
        "from apps.well import create_app\n\napp = create_app()\n"
    )
    project.app("sick", manifest="prefix = 7\n")
    server = serve("apps.well.wsgi:app")

    assert server.get("/").text == "well"
    assert server.get("/-/live").status == 200
    assert server.get("/-/ready").status == 404


def test_flags_and_gunicorn_cmd_args_win_over_the_settings(project: Project, serve: Serve) -> None:
    project.app("well")
    server = serve(environ={"GUNICORN_CMD_ARGS": "--workers=1 --threads=3"}, workers=2)

    until(lambda: len(server.workers()) == 2, "two workers, as the flag says")
    assert server.get("/well/").status == 200


def test_a_header_script_name_is_not_believed(project: Project, serve: Serve) -> None:
    project.app("well")
    server = serve()

    assert server.get("/well/", SCRIPT_NAME="/pre").text == "well"
    assert server.get("/well", SCRIPT_NAME="/pre").headers["Location"].endswith("/well/")


@pytest.mark.parametrize("trusted", [0, 1])
def test_the_scheme_is_a_trusted_proxys_to_say(
    project: Project, serve: Serve, trusted: int
) -> None:
    project.app("well")
    project.operator(f"[host]\ntrusted_proxies = {trusted}\n")
    server = serve()

    location = server.get("/well", X_Forwarded_Proto="https").headers["Location"]
    assert location.startswith("https:" if trusted else "http:")
    odd = server.get("/well/", X_Forwarded_Proto="https", X_Forwarded_Ssl="off")
    assert odd.status == 200


def test_gunicorns_flags_for_logs_win(project: Project, serve: Serve) -> None:
    project.app("well")
    access, errors = project.root / "access.log", project.root / "errors.log"
    server = serve(f"--access-logfile={access}", f"--error-logfile={errors}")
    assert server.get("/well/").status == 200

    until(lambda: "GET /well/" in access.read_text(), "the access log is where the flag says")
    assert "Booting worker" in errors.read_text()
    assert "GET /well/ HTTP" not in server.lines()


def test_what_a_worker_logs_is_one_json_object_a_line(project: Project, serve: Serve) -> None:
    project.app(
        "well",
        """
        from flask import Flask
        from config import configure_app

        def create_app(overrides=None):
            app = Flask(__name__)
            configure_app(app, overrides)

            @app.get("/")
            def index():
                app.logger.warning("two\\nlines")
                return "well"

            return app
        """,
    )
    server = serve()
    answer = server.get("/well/", X_Request_ID="request-0001")

    assert answer.headers["X-Request-ID"] == "request-0001"
    [line] = [each for each in server.entries() if each["message"] == "two\nlines"]
    assert line["app"] == "well"
    assert line["request_id"] == "request-0001"
    assert line["level"] == "warning"
