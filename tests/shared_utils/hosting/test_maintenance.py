"""Which mounts are in maintenance: files that all processes look at."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from shared_utils.hosting import maintenance as maintenance_module
from shared_utils.hosting.maintenance import INTERVAL, LONGEST, Maintenance, messages_in


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


def test_it_says_for_how_long_nobody_has_to_ask(folder: Path, clock: Clock) -> None:
    ours, theirs = Maintenance(folder), Maintenance(folder)
    assert ours.all_open_until == 0
    assert ours.message_for("trades") is None
    assert ours.all_open_until == clock.now + INTERVAL
    theirs.switch_on("trades")
    clock.now += INTERVAL
    assert ours.message_for("home") is None
    assert ours.all_open_until == 0
    theirs.switch_off("trades")
    clock.now += INTERVAL
    assert ours.message_for("home") is None
    assert ours.all_open_until == clock.now + INTERVAL
    ours.switch_on("trades")
    assert ours.all_open_until == 0


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
