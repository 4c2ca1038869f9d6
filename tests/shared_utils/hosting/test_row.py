from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from shared_utils.hosting import builder as builder_module
from shared_utils.hosting.pages import row_of

if TYPE_CHECKING:
    from flask import Flask

    from tests.conftest import ProjectFolder

Eventually = Callable[[Callable[[], bool]], None]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what is down built again within milliseconds."""
    monkeypatch.setattr(builder_module, "FIRST_RETRY", 0.02)
    monkeypatch.setattr(builder_module, "LAST_RETRY", 0.05)


def state(host: Flask, name: str) -> str:
    return row_of(host).mounts[name].state


def text(host: Flask, path: str) -> str:
    return host.test_client().get(path).text


def test_a_mended_manifest_moves_a_mount_to_its_prefix(
    project: ProjectFolder, greeter: str, eventually: Eventually
) -> None:
    module = project.app("trades", greeter, "titel = 1\n")
    host = project.host()
    assert state(host, "trades") == "down"
    assert "titel" in row_of(host).mounts["trades"].failure
    project.manifest("trades", f'app = "{module}:create_app()"\nprefix = "/deals"\n')
    eventually(lambda: state(host, "trades") == "up")
    assert text(host, "/deals/") == "trades"
    assert host.test_client().get("/trades/").status_code == 404
    app = row_of(host).mounts["trades"].flask_app
    assert app is not None
    assert app.config["APPLICATION_ROOT"] == "/deals"


def test_a_mended_source_is_served(
    project: ProjectFolder, greeter: str, eventually: Eventually
) -> None:
    module = project.app("trades", "def create_app():\n    raise ValueError\n")
    host = project.host()
    assert state(host, "trades") == "down"
    project.modules.write(greeter, module)
    eventually(lambda: state(host, "trades") == "up")
    assert text(host, "/trades/") == "trades"


def test_a_mount_whose_prefix_a_neighbour_serves_stays_down(
    project: ProjectFolder, greeter: str, eventually: Eventually
) -> None:
    project.app("alpha", greeter, 'prefix = "/x"\n')
    module = project.app("beta", greeter, "titel = 1\n")
    host = project.host()
    project.manifest("beta", f'app = "{module}:create_app()"\nprefix = "/x"\n')
    eventually(lambda: "/x" in row_of(host).mounts["beta"].failure)
    assert text(host, "/x/") == "alpha"
    assert host.test_client().get("/beta/").status_code == 503
    project.manifest("beta", f'app = "{module}:create_app()"\nprefix = "/beta"\n')
    eventually(lambda: state(host, "beta") == "up")
    assert text(host, "/beta/") == "beta"


def test_a_mount_that_is_served_is_not_moved_by_a_better_claim(
    project: ProjectFolder, greeter: str, eventually: Eventually
) -> None:
    project.app("alpha", greeter, 'prefix = "/beta"\n')
    module = project.app("beta", greeter, 'prefix = "/b"\ntitel = 1\n')
    host = project.host()
    assert text(host, "/beta/") == "alpha"
    project.manifest("beta", f'app = "{module}:create_app()"\n')  # now /beta is its own
    eventually(lambda: "being served by alpha" in row_of(host).mounts["beta"].failure)
    assert text(host, "/beta/") == "alpha"
    assert host.test_client().get("/b/").status_code == 503


def test_the_loser_of_a_prefix_is_down_at_its_own_name(
    project: ProjectFolder, greeter: str
) -> None:
    project.app("alpha", greeter, 'prefix = "/trades"\ncontact = "alpha@example.com"\n')
    project.app("trades", greeter)
    host = project.host()
    assert text(host, "/trades/") == "trades"
    response = host.test_client().get("/alpha/")
    assert response.status_code == 503
    assert "alpha@example.com" in response.text


def test_a_manifest_that_is_gone_leaves_the_mount_as_it_was(
    project: ProjectFolder, greeter: str, eventually: Eventually
) -> None:
    module = project.app("trades", "1/0\n")
    host = project.host()
    (project.root / "apps/trades/app.toml").unlink()
    project.modules.write(greeter, module)
    eventually(lambda: state(host, "trades") == "up")


def test_a_broken_manifest_of_a_neighbour_does_not_keep_a_mount_down(
    project: ProjectFolder, greeter: str, eventually: Eventually
) -> None:
    module = project.app("trades", "1/0\n")
    host = project.host()
    project.manifest("evil", "x = " + "[" * 5000)
    project.modules.write(greeter, module)
    eventually(lambda: state(host, "trades") == "up")


def test_an_app_without_a_session_cookie_name_does_not_keep_its_neighbour_down(
    project: ProjectFolder, greeter: str, eventually: Eventually
) -> None:
    project.app(
        "alpha",
        greeter.replace("return app", "del app.config['SESSION_COOKIE_NAME']; return app"),
    )
    module = project.app("trades", "1/0\n")
    host = project.host()
    project.modules.write(greeter, module)
    eventually(lambda: state(host, "trades") == "up")


# Readiness.


@pytest.mark.parametrize(
    ("load", "source", "is_ready"),
    [
        pytest.param("eager", None, True, id="up"),
        pytest.param("lazy", None, True, id="lazy"),
        pytest.param("eager", "1/0\n", False, id="down"),
        pytest.param("lazy", "1/0\n", True, id="lazy-and-not-yet-tried"),
    ],
)
@pytest.mark.parametrize("required", [True, False])
def test_readiness(
    project: ProjectFolder,
    greeter: str,
    load: str,
    source: str | None,
    is_ready: bool,
    required: bool,
) -> None:
    project.app("trades", source or greeter, f'load = "{load}"\n')
    project.operator(f"[mounts.trades]\nrequired = {str(required).lower()}\n")
    host = project.host()
    assert row_of(host).is_ready is (is_ready or not required)
    response = host.test_client().get("/-/ready")
    assert response.status_code == (200 if is_ready or not required else 503)


# With preload_app, a master is forked while its builder is at work.


def test_a_fork_in_the_middle_of_placing_leaves_no_lock_held(
    project: ProjectFolder, greeter: str
) -> None:
    project.app("trades", greeter)
    row = row_of(project.host())
    held, go = threading.Event(), threading.Event()

    def place() -> None:
        with row._placing:
            held.set()
            go.wait(20)

    thread = threading.Thread(target=place)
    thread.start()
    assert held.wait(20)
    child = os.fork()
    if child == 0:
        again = threading.Thread(target=row._place, daemon=True)
        again.start()
        again.join(3)
        os._exit(1 if again.is_alive() else 0)
    go.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# Cookies of neighbours.

SESSION = """
    from flask import Flask, request, session
    from config import configure_app

    def create_app():
        app = Flask(__name__)
        configure_app(app)

        @app.get("/set/<value>")
        def set_(value):
            session["value"] = value
            return "set"

        @app.get("/get")
        def get():
            return f"{session.get('value')} {sorted(request.cookies)}"

        return app
"""


def test_sessions_stay_apart(project: ProjectFolder) -> None:
    for name in ("alpha", "beta", "home"):
        project.app(name, SESSION)
    project.operator('[mounts.home]\nprefix = "/"\n')
    client = project.host().test_client()
    client.get("/alpha/set/1")
    client.get("/beta/set/2")
    client.get("/set/3")
    assert client.get("/alpha/get").text == "1 ['alpha_session']"
    assert client.get("/beta/get").text == "2 ['beta_session']"
    assert client.get("/get").text == "3 ['home_session']"


def test_keys_of_neighbours_differ(project: ProjectFolder) -> None:
    for name in ("alpha", "beta"):
        project.app(name, SESSION)
    mounts = row_of(project.host()).mounts
    apps = [mounted.flask_app for mounted in mounts.values()]
    keys = {app.config["SECRET_KEY"] for app in apps if app is not None}
    assert len(keys) == 2
    root_key = (project.root / "instance" / "secret_key").read_text().strip()
    for app in apps:
        assert app is not None
        assert root_key not in repr(dict(app.config))


def test_a_session_works_under_a_prefix_that_is_not_ascii(project: ProjectFolder) -> None:
    project.app("cafe", SESSION, 'prefix = "/café"\n')
    response = project.host().test_client().get("/café/set/1")
    assert response.text == "set"
    assert "Path=/caf%C3%A9" in response.headers["Set-Cookie"]
