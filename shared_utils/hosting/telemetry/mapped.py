"""prometheus_client's files of values, and its lock, as a process needs them that many apps share.

- A file has its room on the disk before it is written to. prometheus_client gives it a length and
  writes through a mapping; where the disk is full, the system has no other way to say so than to
  kill the process (SIGBUS), and every worker that begins would end so.
- To count makes nothing that the garbage collector counts: it would run finalizers of any app while
  the one lock is held that all apps and the host count under. Where a series is made that cannot be
  helped: there the thread which has the lock may take it again.
- What every request is counted in is written in one step (`place_of`), where prometheus_client
  would look for each value whether the process has forked, and take the lock again.
- In a child that an app has forked, prometheus_client makes all values anew: the host's gauges
  would say there that no app is up. They are not there until somebody sets them.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import Any

from prometheus_client import mmap_dict, values

_Dict: Any = mmap_dict.MmapedDict
_SIZE: int = mmap_dict._INITIAL_MMAP_SIZE
_OWN = '["rowhouse_'
"""What keys of the host's own metrics begin with: those of `mmap_key`."""

VERSION = 2
"""Of what is put in place of prometheus_client's own here. A reload replaces this module but not
that one, and puts a newer version in place of an older one."""


def _lock() -> Any:
    """Return the lock, which is kept where a reload does not replace it."""
    kept: Any = values
    if not hasattr(kept, "rowhouse_lock"):
        made: Any = threading.RLock()
        kept.rowhouse_lock = made
        # In the child of a fork nobody may be left to release it. A fork does not wait for it: it
        # would wait for other locks with this one held.
        os.register_at_fork(after_in_child=lambda: made._is_owned() or made._at_fork_reinit())
    return kept.rowhouse_lock


lock = _lock()
"""Of prometheus_client's values: held while one of this process is changed. Where a series is made,
the thread that has it may take it again."""


def place_of(value: Any) -> tuple[Mapped, int]:
    """Return the file of one of prometheus_client's values, and which of its numbers that is.

    It is for who adds to several values at once, with :data:`lock` held. Then nobody else may
    change them, since prometheus_client has copies; and in a forked process places are others.
    """
    value.get()  # there prometheus_client learns of a fork
    file: Mapped = value._file
    return file, file.place(value._key)


def install() -> None:
    """Have prometheus_client use these from here on, where it does not do so already."""
    present: Any = values
    if getattr(present.MmapedDict, "version", None) != VERSION:
        present.MmapedDict = Mapped
        present.Lock = lambda: lock


def reserve(path: Path) -> None:
    """Make a file that nothing is counted in yet; one that is there is left as it is.

    Raises:
        OSError: there is no room for it. Then there is no file.
    """
    with path.open("ab") as file:
        if os.fstat(file.fileno()).st_size:
            return
        try:
            _allocate(file.fileno(), 0, _SIZE)
        except OSError:
            path.unlink(missing_ok=True)
            raise


class Mapped(_Dict):  # type: ignore[misc]
    """A file of values, by keys.

    Raises:
        OSError: there is no room for it, or for another key.
    """

    version = VERSION

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        if not read_mode:
            reserve(Path(filename))
        super().__init__(filename, read_mode)
        self._is_of_gauges = Path(filename).name.startswith("gauge_")
        self._look()

    def read_value(self, key: str) -> tuple[float, float]:
        """Return a value and its time; zeros where there is none."""
        if self._is_of_gauges and key.startswith(_OWN) and key not in self._positions:
            return 0.0, 0.0
        found: tuple[float, float] = super().read_value(key)
        return found

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        """Write a value and its time, each in one step for whoever reads the file."""
        if key not in self._positions:
            self._init_value(key)
        at = self.place(key)
        self.numbers[at] = value
        self.numbers[at + 1] = timestamp

    def place(self, key: str) -> int:
        """Return which of the numbers is the value of a key."""
        place: int = self._positions[key] >> 3
        return place

    def close(self) -> None:
        """Close the file; nothing more can be written to it."""
        self.numbers.release()
        # In a forked process, where the parent was just making them anew, others may be left.
        with contextlib.suppress(BufferError):
            super().close()

    def _init_value(self, key: str) -> None:
        size = self._capacity
        while self._used + len(key.encode()) + 32 > size:  # length, padding and two numbers
            size *= 2
        if size > self._capacity:
            _allocate(self._f.fileno(), self._capacity, size - self._capacity)
        mapping = self._m
        super()._init_value(key)
        if self._m is not mapping:
            self._look()

    def _look(self) -> None:
        self.numbers = memoryview(self._m).cast("d")


def _allocate(number: int, offset: int, size: int) -> None:
    if allocate := getattr(os, "posix_fallocate", None):  # not on every system
        allocate(number, offset, size)
