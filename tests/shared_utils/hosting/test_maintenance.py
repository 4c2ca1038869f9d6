from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from markupsafe import escape
from werkzeug.test import Client

from shared_utils.hosting import maintenance as maintenance_module
from shared_utils.hosting.maintenance import INTERVAL, LONGEST, Maintenance, messages_in
from shared_utils.hosting.mounted import Mounted
from shared_utils.hosting.pages import row_of
from shared_utils.hosting.settings.mounts import Mount
from shared_utils.hosting.settings.schema import Host
from shared_utils.hosting.walls.walls import Walls
from tests.hostile import MARKUP

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from tests.conftest import ProjectFolder


class Clock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(maintenance_module, "monotonic", clock)
    return clock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "instance" / "maintenance"


def written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_nothing_is_in_maintenance_without_a_folder(folder: Path) -> None:
    assert Maintenance(folder).message_for("trades") is None
    assert not folder.exists()


def test_on_with_a_message_and_off(folder: Path) -> None:
    maintenance = Maintenance(folder)
    maintenance.switch_on("trades", "Back at noon, café")
    assert maintenance.message_for("trades") == "Back at noon, café"
    assert maintenance.message_for("home") is None
    maintenance.switch_on("trades")
    assert maintenance.message_for("trades") == ""
    maintenance.switch_off("trades")
    assert maintenance.message_for("trades") is None
    maintenance.switch_off("trades")
    assert list(folder.iterdir()) == []


def test_it_survives_a_restart(folder: Path) -> None:
    Maintenance(folder).switch_on("trades", "Back at noon")
    assert Maintenance(folder).message_for("trades") == "Back at noon"


def test_other_processes_see_it_once_the_interval_is_over(folder: Path, clock: Clock) -> None:
    """Between two looks the folder is left alone."""
    ours, theirs = Maintenance(folder), Maintenance(folder)
    assert ours.message_for("trades") is None
    theirs.switch_on("trades", "Back at noon")
    clock.now += INTERVAL * 0.9
    assert ours.message_for("trades") is None
    clock.now += INTERVAL * 0.2
    assert ours.message_for("trades") == "Back at noon"
    theirs.switch_off("trades")
    clock.now += INTERVAL * 0.9
    assert ours.message_for("trades") == "Back at noon"
    clock.now += INTERVAL * 0.2
    assert ours.message_for("trades") is None


def test_the_file_is_for_the_host_to_read_whoever_it_runs_as(folder: Path) -> None:
    Maintenance(folder).switch_on("trades", "Back at noon")
    assert (folder / "trades").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ""),
        (b" \r\n\t", ""),
        (b"Back\nat\r\n\x00\x1b[31mnoon\x7f", "Back at [31mnoon"),
        ("\ufeffcafé\x85\n".encode(), "café"),
        (b"caf\xe9", ""),
        (b"x" * LONGEST, "x" * LONGEST),
        (b"x" * (LONGEST + 1), ""),
        ("é".encode() * LONGEST, ""),
    ],
    ids=["empty", "blank", "controls", "BOM", "latin-1", "longest", "too long", "cut in two"],
)
def test_what_a_file_says(folder: Path, content: bytes, message: str) -> None:
    written(folder / "trades", content)
    assert Maintenance(folder).message_for("trades") == message


def directory(path: Path) -> None:
    path.mkdir()


def unreadable(path: Path) -> None:
    written(path, b"secret").chmod(0)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    "made",
    [
        directory,
        endless,
        loop,
        os.mkfifo,
        pytest.param(
            unreadable, marks=pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
        ),
    ],
)
def test_what_is_no_file_to_be_read_is_maintenance_without_a_message(
    folder: Path, made: Callable[[Path], None]
) -> None:
    folder.mkdir(parents=True)
    made(folder / "trades")
    written(folder / "home", b"well")
    maintenance = Maintenance(folder)
    assert maintenance.message_for("trades") == ""
    assert maintenance.message_for("home") == "well"


def test_what_is_no_mount_is_left_alone(folder: Path) -> None:
    for name in (".draft", "README.md", "trades~", "Trades", "unknown"):
        written(folder / name, b"x")
    written(Path(os.fsdecode(os.fsencode(folder) + b"/\xff")), b"x")
    assert messages_in(folder) == {"unknown": "x"}
    assert Maintenance(folder).message_for("trades") is None


def test_a_message_is_written_whole_or_not_at_all(folder: Path) -> None:
    (folder / "trades" / "in the way").mkdir(parents=True)
    maintenance = Maintenance(folder)
    with pytest.raises(OSError, match="directory"):
        maintenance.switch_on("trades", "Back at noon")
    assert [path.name for path in folder.iterdir()] == ["trades"]


@pytest.mark.parametrize("name", ["", ".", "../secret_key", "/etc/passwd", "a/b", "Trades", "a\n"])
def test_what_cannot_be_a_mount_is_no_file(folder: Path, name: str) -> None:
    written(folder.parent / "secret_key", b"key")
    with pytest.raises(ValueError, match="not a name of a mount"):
        Maintenance(folder).switch_on(name)
    with pytest.raises(ValueError, match="not a name of a mount"):
        Maintenance(folder).switch_off(name)
    assert (folder.parent / "secret_key").read_bytes() == b"key"


def test_a_message_has_to_fit(folder: Path) -> None:
    with pytest.raises(ValueError, match=f"write at most {LONGEST}"):
        Maintenance(folder).switch_on("trades", "é" * LONGEST)
    assert not folder.exists()


def test_a_folder_that_cannot_be_read_keeps_what_was_known_and_is_told_once(
    folder: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    maintenance = Maintenance(folder)
    maintenance.switch_on("trades", "Back at noon")
    assert maintenance.message_for("trades") == "Back at noon"
    aside = folder.rename(folder.parent / "aside")
    folder.write_text("a file in its place")
    for _ in range(3):
        clock.now += INTERVAL * 1.1
        assert maintenance.message_for("trades") == "Back at noon"
        assert maintenance.message_for("home") is None
    [record] = caplog.records
    assert str(folder) in record.getMessage()

    folder.unlink()
    aside.rename(folder)
    (folder / "trades").unlink()
    clock.now += INTERVAL * 1.1
    assert maintenance.message_for("trades") is None
    folder.rmdir()
    folder.write_text("a file again")
    clock.now += INTERVAL * 1.1
    assert maintenance.message_for("trades") is None
    assert len(caplog.records) == 2


def test_a_log_that_raises_breaks_no_request(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(record: logging.LogRecord) -> bool:
        raise RuntimeError("an app's filter")

    logger = logging.getLogger("shared_utils.hosting.maintenance")
    monkeypatch.setattr(logger, "filters", [raising])
    written(folder, b"no folder")
    assert Maintenance(folder).message_for("trades") is None


def test_readers_see_whole_messages_while_it_is_switched(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance_module, "INTERVAL", 0.0)  # every reader looks, all the time
    maintenance, other = Maintenance(folder), Maintenance(folder)
    messages = ["a" * LONGEST, "b" * 7]
    done = threading.Event()
    seen: set[str | None] = set()
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not done.is_set():
                seen.add(maintenance.message_for("trades"))
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(100):
        for message in messages:
            other.switch_on("trades", message)
        other.switch_off("trades")
    done.set()
    for reader in readers:
        reader.join()
    assert failures == []
    assert seen <= {None, *messages}
    assert maintenance.message_for("trades") is None


def test_a_child_looks_for_itself_although_a_thread_was_looking_when_it_was_forked(
    folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    maintenance = Maintenance(folder)
    maintenance.switch_on("trades", "Back at noon")
    looking, go = threading.Event(), threading.Event()

    def slow(folder: Path) -> dict[str, str]:
        looking.set()
        go.wait(20)
        return {}

    monkeypatch.setattr(maintenance_module, "messages_in", slow)
    thread = threading.Thread(target=maintenance.message_for, args=("trades",))
    thread.start()
    assert looking.wait(20)
    child = os.fork()
    if child == 0:
        maintenance_module.messages_in = messages_in
        os._exit(0 if maintenance.message_for("trades") == "Back at noon" else 1)
    go.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# What a mount makes of it.


@pytest.fixture
def maintenance(folder: Path) -> Maintenance:
    return Maintenance(folder)


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
