"""What clients, the host and the builder get of a mount that the operator has closed."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from markupsafe import escape
from werkzeug.test import Client

from shared_utils.hosting import maintenance as maintenance_module
from shared_utils.hosting.maintenance import Maintenance
from shared_utils.hosting.mounted import Mounted
from shared_utils.hosting.pages import row_of
from shared_utils.hosting.settings.mounts import Mount
from shared_utils.hosting.settings.schema import Host
from shared_utils.hosting.walls.walls import Walls
from tests.hostile import MARKUP

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from tests.conftest import ProjectFolder


@pytest.fixture
def maintenance(tmp_path: Path) -> Maintenance:
    return Maintenance(tmp_path / "instance" / "maintenance")


def mounted(maintenance: Maintenance, **facts: Any) -> Mounted:
    facts = {"title": "Trades", "prefix": "/trades", **facts}
    mount = Mount(name="trades", target="x:y", **facts)
    walls = Walls.around([mount], Host())
    return Mounted(mount, walls=walls, wake=_unexpected, maintenance=maintenance)


def _unexpected(mounted: Mounted) -> None:
    raise AssertionError("the builder was woken")


def answer(mount: Mounted, method: str = "GET", accept: str = "*/*") -> TestResponse:
    client = Client(mount, use_cookies=False)
    return client.open("/", method=method, headers={"Accept": accept})


def test_a_mount_in_maintenance_answers_the_operators_message(maintenance: Maintenance) -> None:
    mount = mounted(maintenance, owner="Team Trading", contact="t@example.com")
    mount.up(lambda environ, start_response: pytest.fail("the app was called"), 0)
    maintenance.switch_on("trades", 'Back at "noon"')
    response = answer(mount)
    assert mount.state == "maintenance"
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "60"
    assert response.content_type == "application/problem+json"
    assert json.loads(response.text) == {
        "status": 503,
        "title": "Service Unavailable",
        "detail": 'Back at "noon"',
        "app": "trades",
        "contact": "t@example.com",
    }


def test_without_a_message_it_names_title_and_contact(maintenance: Maintenance) -> None:
    maintenance.switch_on("trades")
    mount = mounted(maintenance, owner="Team Trading", contact="t@example.com")
    assert json.loads(answer(mount).text)["detail"] == (
        "Trades is closed for maintenance. Team Trading can help: t@example.com."
    )
    assert json.loads(answer(mounted(maintenance)).text)["detail"] == (
        "Trades is closed for maintenance."
    )


def test_a_person_gets_a_page_in_which_the_message_is_no_markup(maintenance: Maintenance) -> None:
    maintenance.switch_on("trades", f"{MARKUP}\x1b[31m")
    response = answer(mounted(maintenance), accept="text/html")
    assert response.content_type == "text/html; charset=utf-8"
    assert f"{escape(MARKUP)} [31m" in response.text
    assert "<script>" not in response.text


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_every_method_gets_the_same_answer(maintenance: Maintenance, method: str) -> None:
    maintenance.switch_on("trades", "Back at noon")
    response = answer(mounted(maintenance), method)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "60")
    assert ("Back at noon" in response.text) == (method != "HEAD")


@pytest.mark.parametrize("load", ["eager", "lazy"])
def test_the_state_is_maintenance_whatever_its_build_came_to(
    maintenance: Maintenance, load: str
) -> None:
    mount = mounted(maintenance, load=load)
    begun = mount.state
    maintenance.switch_on("trades", "Back at noon")
    assert (mount.state, mount.build_state) == ("maintenance", begun)
    mount.down("X: y", time.monotonic())
    assert (mount.state, mount.build_state, mount.failure) == ("maintenance", "down", "X: y")
    assert json.loads(answer(mount).text)["detail"] == "Back at noon"
    maintenance.switch_off("trades")
    assert mount.state == "down"


# What the host makes of it.


@pytest.fixture
def attentive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every request look at the folder."""
    monkeypatch.setattr(maintenance_module, "INTERVAL", 0.0)


@pytest.mark.usefixtures("attentive")
def test_one_mount_is_closed_and_its_neighbours_are_not(
    project: ProjectFolder, greeter: str
) -> None:
    for name in ("home", "trades"):
        project.app(name, greeter)
    client = project.host().test_client()
    file = project.instance("maintenance/trades", "Back at noon")
    response = client.get("/trades/")
    assert (response.status_code, response.get_json()["detail"]) == (503, "Back at noon")
    assert response.get_json()["request_id"] == response.headers["X-Request-ID"]
    assert client.get("/home/").text == "home"
    page = client.get("/trades/", headers={"Accept": "text/html"}).text
    assert '<a href="/home/">All apps</a>' in page
    project.instance("maintenance/home", "")
    assert "All apps" not in client.get("/home/", headers={"Accept": "text/html"}).text
    file.unlink()
    assert client.get("/trades/").text == "trades"


@pytest.mark.usefixtures("attentive")
def test_a_required_mount_in_maintenance_leaves_the_host_ready(project: ProjectFolder) -> None:
    project.app("trades", "raise RuntimeError\n")
    project.operator("[mounts.trades]\nrequired = true\n")
    client = project.host().test_client()
    assert client.get("/-/ready").status_code == 503
    file = project.instance("maintenance/trades", "Back at noon")
    ready = client.get("/-/ready")
    assert ready.status_code == 200
    assert ready.get_json()["mounts"]["trades"]["state"] == "maintenance"
    file.unlink()
    assert client.get("/-/ready").status_code == 503


@pytest.mark.usefixtures("attentive")
def test_a_lazy_mount_in_maintenance_is_not_built_because_of_a_fork(
    project: ProjectFolder, greeter: str
) -> None:
    project.app("trades", greeter, 'load = "lazy"\n')
    row = row_of(project.host())
    project.instance("maintenance/trades", "Back at noon")
    child = os.fork()
    if child == 0:
        os._exit(1 if row.builder._due else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert row.mounts["trades"].build_state == "lazy"
