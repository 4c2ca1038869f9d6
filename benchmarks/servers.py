"""Real gunicorns, started and ended here.

Each gets a socket that listens already (``--bind fd://N``): no port can be taken by another, and a
client that connects at once is answered as soon as there is someone to answer. Nothing sleeps.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.client import Address, ask

THREADS = 512
"""The default of ``[host] threads``; gunicorn starts them only as they are needed."""

_GRACE = 10.0
_OTHERS = ("ROWHOUSE_", "GUNICORN_", "FLASK_", "WEB_CONCURRENCY")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Server:
    """A gunicorn that runs.

    Attributes:
        began: ``time.perf_counter()`` right before it was started.
        log: file that it writes to.
    """

    pid: int
    address: Address
    began: float
    log: Path

    def workers(self) -> list[int]:
        """Return the process ids of its workers."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def cpu_seconds(self) -> float:
        """Return the CPU time that its workers have taken, all their threads included."""
        return sum(time.clock_gettime_ns(_cpu_clock(pid)) for pid in self.workers()) / 1e9

    def pss(self) -> int:
        """Return bytes of memory of master and workers, shared pages divided by their sharers."""
        return sum(_pss(pid) for pid in (self.pid, *self.workers()))

    def first(self, path: str) -> float:
        """Return seconds from the start to the first 200 on ``path``.

        The one connection waits in the listening socket until a worker takes it. A 503, which
        says that the app is still being built, is asked again.
        """
        while (status := self._ask(path)) != 200:
            if status != 503 or time.perf_counter() - self.began > 60:
                raise RuntimeError(f"{path} answers {status}\n{self.log.read_text()[-2000:]}")
        return time.perf_counter() - self.began

    def _ask(self, path: str) -> int:
        try:
            return ask(self.address, path)[0]
        except OSError as error:
            raise RuntimeError(f"{error}\n{self.log.read_text()[-2000:]}") from error


@contextlib.contextmanager
def served(folder: Path, *arguments: str, workers: int = 1) -> Iterator[Server]:
    """Run gunicorn in ``folder``, and end it in any case."""
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        # gunicorn does so where it binds itself; without, answers wait 40 ms for the client's ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        address = listener.getsockname()
        log = folder / "gunicorn.log"
        options = [f"--bind=fd://{listener.fileno()}", f"--workers={workers}"]
        with log.open("w") as output:
            began = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", *options, f"--threads={THREADS}", *arguments],
                cwd=folder,
                env=environ(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[listener.fileno()],
                start_new_session=True,
            )
    # The listener is closed here, so that clients are reset should the server not come up.
    try:
        yield Server(pid=process.pid, address=address, began=began, log=log)
    finally:
        _end(process)


def environ(*more: str) -> dict[str, str]:
    """Return the environment without what would set up what is measured.

    Args:
        more: what else variables must not begin with.
    """
    kept = os.environ.items()
    return {key: value for key, value in kept if not key.startswith((*_OTHERS, *more))}


def plain(target: str) -> Sequence[str]:
    """Return the options that serve ``target`` as Rowhouse does, but without it."""
    return ["--worker-class=gthread", "--control-socket=gunicorn.ctl", target]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a gunicorn, and whatever of its session is left after that."""
    process.send_signal(signal.SIGTERM)
    until = time.monotonic() + _GRACE
    how = os.WEXITED | os.WNOHANG | os.WNOWAIT  # not reaped yet: its number stays its own
    while os.waitid(os.P_PID, process.pid, how) is None and time.monotonic() < until:
        time.sleep(0.005)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _cpu_clock(pid: int) -> int:
    """Return the clock that ``clock_getcpuclockid(3)`` gives on Linux for a process."""
    return (~pid << 3) | 2


def _pss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"the kernel does not tell the memory of process {pid}")
