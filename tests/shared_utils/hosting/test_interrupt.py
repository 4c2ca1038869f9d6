from __future__ import annotations

import gc
import socket
import sys
import sysconfig
import threading
from collections.abc import Callable

import pytest

from shared_utils.hosting import interrupt

PATIENCE = 20.0


class Stop(BaseException):
    pass


class Running:
    """A thread in a loop, and what ended it."""

    def __init__(self, loop: Callable[[], None]) -> None:
        self.ended: list[BaseException] = []
        self.thread = threading.Thread(target=self._run, args=[loop], daemon=True)
        self.thread.start()
        assert self.thread.ident is not None
        self.id = self.thread.ident

    def _run(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        except BaseException as error:
            self.ended.append(error)


def test_a_loop_of_the_apps_own_code_is_ended(
    eventually: Callable[[Callable[[], bool]], None],
) -> None:
    def loop() -> None:
        while True:
            pass

    running = Running(loop)
    eventually(lambda: interrupt.interrupt(running.id, Stop))
    running.thread.join(PATIENCE)
    assert [type(error) for error in running.ended] == [Stop]


def test_a_thread_inside_the_standard_library_is_left_alone() -> None:
    inside, go = threading.Event(), threading.Event()

    def loop() -> None:
        inside.set()
        go.wait(PATIENCE)  # the innermost frame is threading's

    running = Running(loop)
    inside.wait(PATIENCE)
    while "in wait" not in str(interrupt.Stack(running.id)):
        pass
    assert not any(interrupt.interrupt(running.id, Stop) for _ in range(50))
    go.set()
    running.thread.join(PATIENCE)
    assert running.ended == []


def test_what_is_on_its_way_lands_where_it_is_awaited(
    eventually: Callable[[Callable[[], bool]], None],
) -> None:
    """A call in C that fails by itself goes on to its handler first."""
    ours, theirs = socket.socketpair()
    landed: list[BaseException] = []

    def loop() -> None:
        try:
            ours.recv(1)
        except ConnectionResetError:
            try:
                interrupt.land()
            except Stop as stop:
                landed.append(stop)
            interrupt.land()

    with ours:
        ours.send(b"x")  # nobody reads it: the other end is reset, not ended
        running = Running(loop)
        eventually(lambda: "in loop" in str(interrupt.Stack(running.id)).splitlines()[-2:][0])
        eventually(lambda: interrupt.interrupt(running.id, Stop))
        theirs.close()
        running.thread.join(PATIENCE)
    assert len(landed) == 1
    assert running.ended == []


def test_a_thread_that_has_ended_is_nobodys() -> None:
    running = Running(lambda: None)
    running.thread.join(PATIENCE)
    assert not interrupt.interrupt(running.id, Stop)
    assert str(interrupt.Stack(running.id)) == ""


STANDARD = sysconfig.get_path("stdlib")
INSTALLED = sysconfig.get_path("purelib")


APP = "/srv/apps/trades/views.py"
IMPORT_SYSTEM = "<frozen importlib._bootstrap>"


@pytest.mark.parametrize(
    ("files", "safe"),
    [
        pytest.param([APP], True, id="app"),
        pytest.param([f"{INSTALLED}/flask/app.py"], True, id="installed"),
        pytest.param([f"{STANDARD}/logging/__init__.py"], False, id="standard-library"),
        pytest.param([IMPORT_SYSTEM], False, id="import-system"),
        pytest.param(["<string>"], False, id="generated"),
        pytest.param([interrupt.__file__], False, id="host"),
        pytest.param([APP, IMPORT_SYSTEM, APP], True, id="app-imported"),
        pytest.param([IMPORT_SYSTEM, f"{INSTALLED}/numpy/core.py"], False, id="installed-imported"),
        pytest.param(
            [IMPORT_SYSTEM, f"{INSTALLED}/numpy/core.py", f"{STANDARD}/re.py", f"{INSTALLED}/a.py"],
            False,
            id="called-by-installed-imported",
        ),
        pytest.param(
            [IMPORT_SYSTEM, APP, f"{INSTALLED}/psycopg/connection.py"],
            True,
            id="installed-called-by-app-imported",
        ),
    ],
)
def test_where_it_is_safe(files: list[str], safe: bool) -> None:
    """The files of a thread's frames, the outermost first."""
    assert is_safe(files) is safe


@pytest.mark.parametrize(
    ("files", "safe"),
    [
        pytest.param(["walls/barrier.py", APP], True, id="app"),
        pytest.param(["walls/barrier.py", APP, "pool.py"], False, id="host"),
        pytest.param(["walls/barrier.py", APP, f"{INSTALLED}/flask/app.py"], True, id="installed"),
        pytest.param(["walls/barrier.py"], False, id="wall"),
    ],
)
def test_the_host_is_not_safe_where_it_is_installed(
    monkeypatch: pytest.MonkeyPatch, files: list[str], safe: bool
) -> None:
    """As with ``pip install`` of what ``pip wheel`` has made of it."""
    host = f"{INSTALLED}/shared_utils/hosting/"
    monkeypatch.setattr(interrupt, "_HOST", host)
    placed = [file if file.startswith("/") else f"{host}{file}" for file in files]
    assert is_safe(placed, inside=f"{host}walls/") is safe
    assert is_safe(placed) is safe


def is_safe(files: list[str], inside: str = "") -> bool:
    """Ask in a frame of the last of these files, which is called by those before."""
    judged: list[bool] = []
    names: dict[str, object] = {
        "judge": lambda: judged.append(interrupt._is_safe(sys._getframe(1), inside))
    }
    code = compile("judge()", files[-1], "exec")
    for file in reversed(files[:-1]):
        names = {"inner": code, "names": names}
        code = compile("exec(inner, names)", file, "exec")
    exec(code, names)
    [safe] = judged
    return safe


def test_a_stack_shows_the_innermost_line_last() -> None:
    assert str(interrupt.Stack(threading.get_ident())).splitlines()[-2].endswith("in __init__")


def test_no_garbage_is_collected_while_frames_are_looked_at() -> None:
    """A collection inside of ``sys._current_frames`` stops the process: python/cpython#106883."""
    assert gc.isenabled()
    with interrupt.uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.disable()
    try:
        with interrupt.uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
