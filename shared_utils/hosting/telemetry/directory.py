"""The files that workers count in, for prometheus_client's multiprocess mode: which there are.

Each process has files of its own, ``counter_PID.db`` and so on, and what is told is the sum over
all; ``folding.py`` keeps what ended ones have counted. Here prometheus_client is not imported:
it looks for the directory when it is.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus_client looks for the directory, when it is imported."""

_KIND = r"(?P<kind>counter|histogram|summary|gauge_[a-z]+)"
_FILE = re.compile(rf"{_KIND}_(?:(?P<pid>\d+)|ended-(?P<fold>\d+)(?:-(?P<of>\d+))?)\.db")


@dataclasses.dataclass(frozen=True, kw_only=True)
class File:
    """A file of the directory.

    Attributes:
        pid: the process that counts in it; None: those that have ended.
        fold: how many times that was folded.
        of: the process that was folded last, while its own file may still be there.
    """

    path: Path
    kind: str
    pid: int | None
    fold: int
    of: int | None


def choose(run: Path) -> Path:
    """Say where this process and those that it forks count, and return that.

    What the operator has set stands. Nothing is touched.

    Args:
        run: folder of the project for what lives as long as a process.
    """
    own = run / "metrics"
    given = os.environ.get(VARIABLE)
    if given and Path(given).parent != own:
        return Path(given)
    folder = own / str(os.getpid())
    os.environ[VARIABLE] = str(folder)
    return folder


def current() -> Path | None:
    """Return where this process counts; None where it counts for itself alone."""
    given = os.environ.get(VARIABLE)
    return Path(given) if given else None


def forget() -> None:
    """Have this process and those that it forks count for themselves."""
    os.environ.pop(VARIABLE, None)


def ensure(folder: Path) -> None:
    """Make the directory; one that has this process's number ends with it.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if folder.name == str(os.getpid()):
        atexit.register(_remove, folder, os.getpid())


def begin(folder: Path) -> None:
    """In a master that starts: make the directory, without what an earlier run has left in it.

    Directories of masters that have ended go as well.

    Raises:
        OSError: it cannot be made.
    """
    ensure(folder)
    if folder.name == str(os.getpid()):
        for other in folder.parent.iterdir():
            if other.name.isdecimal() and other != folder and not is_alive(int(other.name)):
                shutil.rmtree(other, ignore_errors=True)
    with locked(folder) as is_locked:
        found = [file for file in files(folder) if file.pid != os.getpid()]
        # In a container, numbers of processes come again with each start, for other processes.
        is_own = folder.name == str(os.getpid())
        if is_locked and (is_own or not any(file.pid and is_alive(file.pid) for file in found)):
            for file in found:  # else another master counts here, which this one follows
                file.path.unlink(missing_ok=True)


def is_alive(pid: int) -> bool:
    """Say whether there is a process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def files(folder: Path) -> list[File]:
    """Return the files that are there, in order of their names."""
    found = [(path, _FILE.fullmatch(path.name)) for path in sorted(folder.glob("*.db"))]
    return [
        File(
            path=path,
            kind=named["kind"],
            pid=int(named["pid"]) if named["pid"] else None,
            fold=int(named["fold"] or 0),
            of=int(named["of"]) if named["of"] else None,
        )
        for path, named in found
        if named
    ]


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Be the only one that changes which files there are; say whether that is so."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _remove(folder: Path, pid: int) -> None:
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)
