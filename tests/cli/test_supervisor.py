from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import REPOSITORY, clean_environment, is_gone, until

SUPERVISE = """
import signal, sys
from shared_utils.cli import supervisor
from shared_utils.cli.supervisor import Program, Supervisor
from shared_utils.logging import configure_logging

configure_logging()
if "background" in sys.argv:  # what shells do for "command &" in a script
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGQUIT, signal.SIG_IGN)
supervisor.FIRST_PAUSE = 0.05
programs = [
    Program(name=name, command=[sys.executable, f"{name}.py"], grace=float(sys.argv[1]))
    for name in ("one", "two")
]
sys.exit(Supervisor(programs).run())
"""

POLITE = """
import os, pathlib, signal, sys
pathlib.Path(sys.argv[0]).with_suffix(".pid").write_text(str(os.getpid()))
signal.signal(signal.SIGHUP, lambda *_: pathlib.Path(sys.argv[0]).with_suffix(".hup").touch())
while True:
    signal.pause()
"""

STUBBORN = """
import os, pathlib, signal, subprocess, sys
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
    signal.signal(number, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "1000"])
pathlib.Path(sys.argv[0]).with_suffix(".child").write_text(str(child.pid))
pathlib.Path(sys.argv[0]).with_suffix(".pid").write_text(str(os.getpid()))
while True:
    signal.pause()
"""


class Supervised:
    """A supervisor of the programs one and two."""

    def __init__(self, folder: Path, one: str, two: str, grace: float, in_background: bool) -> None:
        self.folder = folder
        (folder / "one.py").write_text(one)
        (folder / "two.py").write_text(two)
        self.log = folder / "log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SUPERVISE, str(grace), *["background"] * in_background],
                cwd=folder,
                env=clean_environment() | {"PYTHONPATH": str(REPOSITORY)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def pid(self, name: str) -> int:
        """Return the process of a program; 0 while it has not said so."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            return int((self.folder / f"{name}.pid").read_text())
        return 0

    def both(self) -> tuple[int, int]:
        until(lambda: self.pid("one") > 0 < self.pid("two"), "both run")
        return self.pid("one"), self.pid("two")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        for name in ("one", "two"):
            if pid := self.pid(name):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)


class Start:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: list[Supervised] = []

    def __call__(
        self,
        one: str = POLITE,
        two: str = POLITE,
        grace: float = 30,
        in_background: bool = False,
    ) -> Supervised:
        self.made.append(Supervised(self.folder, one, two, grace, in_background))
        return self.made[-1]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    made = Start(tmp_path)
    yield made
    for supervised in made.made:
        supervised.stop()


def test_each_is_started_again_alone(start: Start) -> None:
    supervised = start()
    one, two = supervised.both()
    os.kill(one, signal.SIGKILL)
    until(lambda: supervised.pid("one") not in (0, one), "one runs again")
    assert supervised.pid("two") == two
    again = supervised.pid("one")
    os.kill(two, signal.SIGKILL)
    until(lambda: supervised.pid("two") not in (0, two), "two runs again")
    assert supervised.pid("one") == again
    assert not is_gone(again)
    assert "one ended by SIGKILL; it is started again in 0.05 s" in supervised.log.read_text()


def test_one_that_cannot_run_waits_longer_each_time_and_stops_no_other(start: Start) -> None:
    supervised = start("raise SystemExit(3)")
    until(lambda: "in 0.4 s" in supervised.log.read_text(), "several tries")
    told = supervised.log.read_text()
    for pause in ("0.05", "0.1", "0.2", "0.4"):
        assert f"one ended with 3; it is started again in {pause} s" in told
    assert not is_gone(supervised.pid("two"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_a_signal_ends_both(start: Start, number: signal.Signals) -> None:
    supervised = start()
    one, two = supervised.both()
    supervised.process.send_signal(number)
    assert supervised.process.wait(60) == 0
    assert is_gone(one)
    assert is_gone(two)
    assert supervised.log.read_text() == ""


def test_who_does_not_end_in_time_is_killed_with_what_it_has_begun(start: Start) -> None:
    supervised = start(two=STUBBORN, grace=0.1)
    one, two = supervised.both()
    child = int((supervised.folder / "two.child").read_text())
    supervised.process.send_signal(signal.SIGTERM)
    assert supervised.process.wait(60) == 0
    assert all(map(is_gone, (one, two)))
    until(lambda: is_gone(child), "its child is gone")


def test_ctrl_c_again_and_again_does_not_wait(start: Start) -> None:
    supervised = start(two=STUBBORN, grace=10_000)
    _, two = supervised.both()

    def ended() -> bool:
        supervised.process.send_signal(signal.SIGINT)
        return supervised.process.poll() is not None

    until(ended, "it ends")
    assert is_gone(two)


def test_hangup_has_them_reload(start: Start) -> None:
    supervised = start()
    pids = supervised.both()
    supervised.process.send_signal(signal.SIGHUP)
    for name in ("one", "two"):
        until((supervised.folder / f"{name}.hup").exists, f"{name} reloads")
    assert supervised.both() == pids


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
@pytest.mark.parametrize("in_background", [False, True], ids=["as it is", "in the background"])
def test_nothing_is_left_when_it_is_killed(start: Start, in_background: bool) -> None:
    supervised = start(in_background=in_background)
    pids = supervised.both()
    supervised.process.kill()
    until(lambda: all(map(is_gone, pids)), "both are gone")
