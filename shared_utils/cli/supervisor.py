"""Keep processes running: each is started again when it dies, and none stops another.

    Supervisor([Program("web", [...]), Program("worker", [...])]).run()

SIGINT and SIGTERM end all, politely first; once more, and they are ended at once. SIGHUP is passed
on to a program that says what it does then. If the supervisor itself is killed, the kernel ends its
programs (``PR_SET_PDEATHSIG`` on Linux).

A program has a process group of its own, so that Ctrl-C in a terminal reaches the supervisor alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from time import monotonic
from types import FrameType

logger = logging.getLogger(__name__)

FIRST_PAUSE, LAST_PAUSE = 1.0, 60.0
STEADY = 30.0
"""Seconds after which a program that dies is started again as if it were the first time."""
PR_SET_PDEATHSIG = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Program:
    """What is kept running.

    Attributes:
        name: as the log names it.
        command: program and arguments.
        grace: seconds that it may take to end, before it is told ``hurry``.
        hurry: the signal that ends it at once, what it has begun included.
        reload: the signal that has it load everything anew; SIGTERM for one that has to be
            started again for that.
    """

    name: str
    command: Sequence[str]
    grace: float = 35.0
    hurry: signal.Signals = signal.SIGQUIT
    reload: signal.Signals = signal.SIGHUP


class _Kept:
    """A program as it runs, or waits to be started again."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self.began = 0.0
        self.deaths = 0
        self.due: float | None = 0.0
        self.reloading = False

    def start(self, before_exec: Callable[[], None]) -> None:
        self.began, self.due = monotonic(), None
        try:
            self.process = subprocess.Popen(
                list(self.program.command),
                process_group=0,
                stdin=subprocess.DEVNULL,
                close_fds=False,  # a socket that was handed to us is for them: --bind fd://3
                preexec_fn=before_exec,
            )
        except OSError as error:  # no process or no memory left, for now
            self.process = None
            self.died(f"cannot be started: {error}")

    def died(self, how: str) -> None:
        """Plan the next start: soon after a long life, else later and later."""
        self.deaths = 1 if monotonic() - self.began > STEADY else self.deaths + 1
        pause = min(FIRST_PAUSE * 2 ** (self.deaths - 1), LAST_PAUSE)
        self.due = monotonic() + pause
        logger.error("%s %s; it is started again in %g s", self.program.name, how, pause)

    def send(self, number: int) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, number)

    def send_to_group(self, number: int) -> None:
        """Reach those that it has left behind as well."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)


class Supervisor:
    """Runs programs until it is told to end.

    Args:
        programs: what is kept running.
        reload_at_hangup: SIGHUP reloads; else it ends everything, as where a terminal is closed.
    """

    def __init__(self, programs: Sequence[Program], *, reload_at_hangup: bool = True) -> None:
        self._kept = [_Kept(program) for program in programs]
        self._reload_at_hangup = reload_at_hangup
        self._asked_to_end = 0
        self._asked_to_reload = False

    def run(self) -> int:
        """Run until a signal ends it; return the exit status."""
        # A pipe that signals write into: none is missed between a look and a wait.
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        earlier_fd = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
        earlier = {number: signal.signal(number, self._receive) for number in numbers}
        try:
            self._keep(reading)
            self._end(reading)
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(earlier_fd)
            os.close(reading)
            os.close(writing)
        return 0

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP and self._reload_at_hangup:
            self._asked_to_reload = True
        elif number != signal.SIGCHLD:
            self._asked_to_end += 1

    def _keep(self, reading: int) -> None:
        while not self._asked_to_end:
            if self._asked_to_reload:
                self._asked_to_reload = False
                for kept in self._kept:
                    kept.reloading = kept.program.reload == signal.SIGTERM
                    kept.send(kept.program.reload)
            now = monotonic()
            for kept in self._kept:
                self._look(kept)
                if kept.due is not None and kept.due <= now:
                    kept.start(_end_with(os.getpid(), kept.program.hurry))
            coming = [kept.due for kept in self._kept if kept.due is not None]
            _wait(reading, min(coming) - monotonic() if coming else None)

    def _look(self, kept: _Kept) -> None:
        if kept.process is None or kept.process.poll() is None:
            return
        # What it leaves behind holds its sockets, and its memory.
        kept.send_to_group(signal.SIGTERM)
        code = kept.process.returncode
        kept.process = None
        if kept.reloading:
            kept.reloading, kept.due = False, 0.0
            return
        kept.died(f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}")

    def _end(self, reading: int) -> None:
        began, told = monotonic(), dict.fromkeys(self._kept, 0)
        while running := [k for k in self._kept if k.process and k.process.poll() is None]:
            late = monotonic() - began
            for kept in running:
                step = 1
                if self._asked_to_end > 1 or late > kept.program.grace:
                    step = 2
                if self._asked_to_end > 2 or late > kept.program.grace + 5:
                    step = 3
                while told[kept] < step:
                    told[kept] += 1
                    if told[kept] == 3:
                        kept.send_to_group(signal.SIGKILL)
                    else:
                        kept.send((signal.SIGTERM, kept.program.hurry)[told[kept] - 1])
            _wait(reading, 0.5)
        for kept in self._kept:
            kept.send_to_group(signal.SIGKILL)


def _wait(reading: int, seconds: float | None) -> None:
    import select

    if seconds is not None and seconds <= 0:
        return
    ready, _, _ = select.select([reading], [], [], seconds)
    if ready:
        with contextlib.suppress(BlockingIOError):
            os.read(reading, 4096)


def _end_with(supervisor: int, number: int) -> Callable[[], None]:
    """Return what a new process calls to be ended by the kernel when its supervisor has died.

    It takes that signal even where a shell that runs us in the background has it ignored.
    """
    is_linux = sys.platform.startswith("linux")
    prctl = ctypes.CDLL(None, use_errno=True).prctl if is_linux else None

    def ask() -> None:
        signal.signal(number, signal.SIG_DFL)
        if prctl is None:
            return
        prctl(PR_SET_PDEATHSIG, int(number))
        if os.getppid() != supervisor:  # it died before it could be asked
            os._exit(1)

    return ask
