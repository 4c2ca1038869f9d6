from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask

from shared_utils.hosting.blocking import ENOUGH
from shared_utils.hosting.pages import row_of
from shared_utils.hosting.settings.mistakes import ConfigError

if TYPE_CHECKING:
    from tests.conftest import ProjectFolder

WIKI = """
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"wiki {environ['SCRIPT_NAME']} {environ['PATH_INFO']}".encode("latin-1")]
"""

Eventually = Callable[[Callable[[], bool]], None]


@pytest.fixture
def host(project: ProjectFolder, greeter: str) -> Flask:
    """A host over apps of every kind."""
    project.app("home", greeter)
    project.app("trades", greeter)
    project.app("deep", greeter, 'prefix = "/trades/deep"\n')
    project.app("cafe", greeter, 'prefix = "/café"\n')
    project.app("lazy", greeter, 'load = "lazy"\n')
    project.app("exits", "raise SystemExit(3)\n", 'owner = "Team"\ncontact = "t@example.com"\n')
    project.manifest("mistaken", "titel = 1\n")
    wiki = project.modules.write(WIKI)
    project.operator(f'[mounts.home]\nprefix = "/"\n[mounts.wiki]\napp = "{wiki}:application"\n')
    return project.host()


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/", 200, "home"),
        ("/trades/", 200, "trades"),
        ("/trades/deep/", 200, "deep"),
        ("/caf%C3%A9/", 200, "cafe"),
        ("/lazy/", 200, "lazy"),
        ("/wiki", 200, "wiki /wiki "),
        ("/wiki//x", 200, "wiki /wiki //x"),
        ("/-/live", 200, "live\n"),
        ("/trades/-/live", 200, "live\n"),
    ],
)
def test_all_mounts_are_served(host: Flask, path: str, status: int, text: str) -> None:
    response = host.test_client().get(path)
    assert (response.status_code, response.text) == (status, text)


@pytest.mark.parametrize("path", ["/exits/", "/exits", "/mistaken/x"])
def test_what_is_down_says_so(host: Flask, path: str) -> None:
    response = host.test_client().get(path)
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1
    assert response.json is not None or response.mimetype == "application/problem+json"
    assert json.loads(response.text)["app"] == path.split("/")[1]
    assert "Traceback" not in response.text


def test_a_person_is_told_whom_to_ask(host: Flask) -> None:
    text = host.test_client().get("/exits/", headers={"Accept": "text/html"}).text
    assert "Exits is not available at the moment. Team can help: t@example.com." in text


def test_a_bare_prefix_is_redirected_by_the_app_itself(host: Flask) -> None:
    response = host.test_client().get("/trades?q=1")
    assert response.status_code == 308
    assert response.headers["Location"].endswith("/trades/?q=1")


def test_every_response_has_an_id_and_safe_headers(host: Flask) -> None:
    for path in ("/", "/exits/", "/nothing", "/-/live", "/wiki"):
        headers = host.test_client().get(path).headers
        assert headers["X-Request-ID"]
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_readiness_tells_each_mounts_state(host: Flask) -> None:
    response = host.test_client().get("/-/ready")
    assert response.status_code == 200
    assert response.json is not None
    states = {name: told["state"] for name, told in response.json["mounts"].items()}
    assert states == {
        "cafe": "up",
        "deep": "up",
        "exits": "down",
        "home": "up",
        "lazy": "lazy",
        "mistaken": "down",
        "trades": "up",
        "wiki": "up",
    }


def test_a_required_mount_that_is_down_makes_it_unready(project: ProjectFolder) -> None:
    project.app("exits", "raise SystemExit(3)\n")
    project.operator("[mounts.exits]\nrequired = true\n")
    response = project.host().test_client().get("/-/ready")
    assert response.status_code == 503
    assert response.json is not None
    assert response.json["mounts"]["exits"] == {
        "state": "down",
        "prefix": "/exits",
        "required": True,
        **{"running": 0, "parked": 0, "threads": 0},
    }


@pytest.mark.parametrize("path", ["/", "/nothing/here", "", "/-", "/-/", "/-/nothing", "//x"])
def test_where_nothing_is_mounted(project: ProjectFolder, path: str) -> None:
    response = project.host().test_client().get(path)
    assert response.status_code == 404
    content = json.loads(response.text)
    assert content["detail"].startswith("Nothing is mounted at /")
    assert content["request_id"] == response.headers["X-Request-ID"]
    assert "app" not in content


def test_a_wrong_method_on_a_page_of_the_host(project: ProjectFolder) -> None:
    response = project.host().test_client().post("/-/live")
    assert response.status_code == 405
    assert "GET" in response.headers["Allow"]
    assert json.loads(response.text)["status"] == 405


@pytest.mark.parametrize("with_root", [True, False])
def test_options_of_the_server_as_a_whole(
    project: ProjectFolder, greeter: str, with_root: bool
) -> None:
    if with_root:
        project.app("home", greeter)
        project.operator('[mounts.home]\nprefix = "/"\n')
    client = project.host().test_client()
    response = client.open(method="OPTIONS", environ_overrides={"PATH_INFO": "*"})
    assert response.status_code == 204
    assert "OPTIONS" in response.headers["Allow"]


def raw(app: Flask, environ: dict[str, Any]) -> str:
    statuses: list[str] = []

    def start_response(status: str, headers: object, exc_info: object = None) -> Any:
        statuses.append(status)

    from werkzeug.test import EnvironBuilder

    whole = EnvironBuilder("/").get_environ() | environ
    for _ in app(whole, start_response):
        pass
    return statuses[0]


def test_an_empty_path_is_the_root(host: Flask, project: ProjectFolder) -> None:
    assert raw(host, {"PATH_INFO": ""}).startswith(("200", "308"))


@pytest.mark.parametrize("path", ["/" + "/" * 4000, "/trades" + "/" * 4000, "/" + "x" * 8000])
def test_long_paths(host: Flask, path: str) -> None:
    assert raw(host, {"PATH_INFO": path})[:3] in {"200", "308", "404"}


@pytest.mark.parametrize(
    ("trusted", "expected"), [(0, "/trades/"), (1, "/proxy/trades/")], ids=["none", "one"]
)
def test_a_proxys_prefix_is_believed_where_the_operator_says_so(
    project: ProjectFolder, greeter: str, trusted: int, expected: str
) -> None:
    project.app("trades", greeter)
    project.operator(f"[host]\ntrusted_proxies = {trusted}\n")
    response = project.host().test_client().get("/trades", headers={"X-Forwarded-Prefix": "/proxy"})
    assert response.headers["Location"].removeprefix("http://localhost") == expected


def test_pages_of_the_host_behind_a_proxys_prefix(project: ProjectFolder) -> None:
    project.operator("[host]\ntrusted_proxies = 1\n")
    client = project.host().test_client()
    headers = {"X-Forwarded-Prefix": "/proxy"}
    assert client.get("/-/live", headers=headers).status_code == 200
    assert client.get("/x", headers=headers).status_code == 404


def test_flask_routes_lists_the_rules_of_all_mounts(host: Flask) -> None:
    from flask.cli import routes_command

    result = host.test_cli_runner().invoke(routes_command, ["--all-methods"])
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines()]
    endpoints = {line[0]: line[-1] for line in lines if line}
    assert endpoints["trades:index"] == "/trades/"
    assert endpoints["lazy:index"] == "/lazy/"
    assert endpoints["deep:index"] == "/trades/deep/"
    assert endpoints["host.ready"] == "/-/ready"
    assert endpoints["wiki"] == "/wiki/<path:path>"


def test_a_wrong_operator_file_stops_the_start(project: ProjectFolder) -> None:
    project.operator("hots = 1\n")
    with pytest.raises(ConfigError, match="hots"):
        project.host()


def test_a_subset_is_served(project: ProjectFolder, greeter: str) -> None:
    for name in ("a", "b"):
        project.app(name, greeter)
    client = project.host(ROWHOUSE_ONLY="b").test_client()
    assert client.get("/a/").status_code == 404
    assert client.get("/b/").text == "b"


def test_two_hosts_in_one_process_do_not_mix(
    project: ProjectFolder, greeter: str, tmp_path: Any
) -> None:
    project.app("a", greeter)
    first = project.host()
    project.app("b", greeter)
    second = project.host()
    assert set(row_of(first).mounts) == {"a"}
    assert set(row_of(second).mounts) == {"a", "b"}
    assert row_of(first).mounts["a"].flask_app is not row_of(second).mounts["a"].flask_app


def test_neighbours_link_to_each_other(project: ProjectFolder) -> None:
    source = """
        from flask import Flask
        from config import configure_app
        from shared_utils.links import mount_url
        from shared_utils.neighbours import neighbours

        def create_app():
            app = Flask(__name__)
            configure_app(app)

            @app.get("/<who>")
            def show(who):
                return f"{mount_url(who, 'show', who='x')} {[n.url for n in neighbours()]}"

            return app
    """
    project.app("a", source)
    project.app("b", source, 'prefix = "/deep/b"\n')
    client = project.host().test_client()
    assert client.get("/a/b").text == "/deep/b/x ['/a/', '/deep/b/']"
    assert client.get("/deep/b/a").text == "/a/x ['/a/', '/deep/b/']"


def test_an_app_that_cannot_be_imported_leaves_nothing_behind(project: ProjectFolder) -> None:
    module = project.app("bad", "raise ImportError('no')\n")
    project.host()
    assert module not in sys.modules


def test_a_mount_whose_requests_wait_is_found_out(project: ProjectFolder, greeter: str) -> None:
    project.app("greets", greeter)
    project.app(
        "slow",
        """
        import time

        def create_app():
            from flask import Flask
            app = Flask(__name__)

            @app.get("/")
            def slow():
                time.sleep(0.02)
                return "slow"

            return app
        """,
    )
    host = project.host()
    steps: list[str] = []
    host.serve_with(8, lambda: steps.append("before"), lambda: steps.append("after"))  # type: ignore[attr-defined]
    client = host.test_client()
    for _ in range(ENOUGH):
        assert client.get("/slow/").text == "slow"
    assert client.get("/greets/").status_code == 200
    assert not steps
    assert client.get("/slow/").text == "slow"
    assert steps == ["before", "after"]
