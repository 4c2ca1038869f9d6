"""Keep what processes have counted that have ended, in one file of each kind.

So there are never more files than processes, however many workers are replaced. A fold is one
rename, from which on the file of the process that has ended does not count any more:

    counter_ended-7-4711.db     the seventh fold, of 4711: its own file, if still there, is in it
    counter_ended-7.db          its own file is gone

It can be cut off anywhere, and the files can be read at any time.
"""

from __future__ import annotations

import json
import logging
import re
import struct
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

from shared_utils.hosting.telemetry.directory import File, files, is_alive, locked

logger = logging.getLogger(__name__)

# Without types in the package itself.
_merged: Any = MultiProcessCollector.merge
_values_in: Any = MmapedDict.read_all_values_from_file

_UNREADABLE = (struct.error, ValueError, RuntimeError)
"""What reading a file raises that is no such file, or has nothing in it yet: a process may have
been killed between making it and giving it a length."""

_LOST_WITH_PROCESS = re.compile(r"gauge_(?:live.*|all)")
"""Kinds that tell of living processes; ``all`` would be one more series for each dead one."""

_TRIES = 20

_Value = tuple[float, float]
"""What was counted, and a timestamp for the kind that needs one."""

_COMBINED: Mapping[str, Callable[[_Value, _Value], _Value]] = {
    "gauge_min": min,
    "gauge_max": max,
    "gauge_mostrecent": lambda one, other: max(one, other, key=lambda value: value[1]),
}


def fold(folder: Path, lives: Callable[[int], bool] | None = None) -> None:
    """Keep in one file of each kind what processes that have ended have counted.

    Args:
        lives: says whether there is a process of this number; default: asks the system.
    """
    with locked(folder) as is_locked:
        if not is_locked:  # another master does it
            return
        found = files(folder)
        for ended in _ended(found).values():
            _clear(folder, ended)
        for file in found:
            if file.pid is None or (lives or is_alive)(file.pid):
                continue
            if _LOST_WITH_PROCESS.fullmatch(file.kind):
                file.path.unlink(missing_ok=True)
            elif file.path.exists():
                _fold(folder, file)


def read(folder: Path) -> list[Metric]:
    """Return what all processes have counted, those that have ended included.

    Raises:
        OSError: the directory cannot be read.
    """
    unreadable: Collection[str] = ()
    for _ in range(_TRIES):
        names = _counting(folder)
        try:
            found = [name for name in names if name not in unreadable]
            metrics = list(_merged(found, accumulate=True))
        except FileNotFoundError:  # folded meanwhile
            continue
        except _UNREADABLE:  # no other file is to be missing because of it
            unreadable = {name for name in names if not _is_readable(name)}
            continue
        if _counting(folder) == names:
            return metrics
    raise OSError(f"{folder} does not stand still")


def _fold(folder: Path, file: File) -> None:
    ended = _ended(files(folder)).get(file.kind)
    values: dict[str, _Value] = {}
    combined = _COMBINED.get(file.kind, _added)
    for path in [ended.path, file.path] if ended else [file.path]:
        try:
            found = list(_values_in(str(path)))
        except _UNREADABLE as error:
            _put_aside(path, error)
            continue
        for key, value, timestamp, _ in found:
            given = (value, timestamp)
            values[key] = combined(values[key], given) if key in values else given
    unfinished = folder / "unfinished"
    # Not through a mapping, where a full disk would kill the process that writes, with SIGBUS.
    unfinished.write_bytes(_written(values))
    number = ended.fold + 1 if ended else 1
    unfinished.rename(folder / f"{file.kind}_ended-{number}-{file.pid}.db")
    _clear(folder, _ended(files(folder))[file.kind])


def _clear(folder: Path, ended: File) -> None:
    """Remove what this file has taken over."""
    if ended.of is not None:
        (folder / f"{ended.kind}_{ended.of}.db").unlink(missing_ok=True)
    for file in files(folder):
        if file.pid is None and file.kind == ended.kind and file.fold < ended.fold:
            file.path.unlink(missing_ok=True)
    if ended.of is not None:
        ended.path.rename(folder / f"{ended.kind}_ended-{ended.fold}.db")


def _written(values: Mapping[str, _Value]) -> bytes:
    """Return a file of prometheus_client's: how long it is, and key, value and time of each."""
    entries = []
    for key, (value, timestamp) in values.items():
        encoded = key.encode()
        padded = encoded + b" " * (8 - (len(encoded) + 4) % 8)
        entries.append(struct.pack(f"i{len(padded)}sdd", len(encoded), padded, value, timestamp))
    return struct.pack("i4x", 8 + sum(map(len, entries))) + b"".join(entries)


def _is_readable(name: str) -> bool:
    try:
        for key, *_ in _values_in(name):
            json.loads(key)
    except FileNotFoundError:
        return True  # it was folded meanwhile
    except _UNREADABLE:
        return False
    return True


def _put_aside(path: Path, error: Exception) -> None:
    """Take a file that cannot be read out of the count; one without anything in it is no loss."""
    if path.stat().st_size:
        logger.error("%s cannot be read, and is not counted: %s", path, error)
        path.rename(path.with_suffix(".unreadable"))
    else:
        path.unlink()


def _added(one: _Value, other: _Value) -> _Value:
    return one[0] + other[0], 0.0


def _counting(folder: Path) -> list[str]:
    """Return the names of the files whose sum is what was counted."""
    found = files(folder)
    ended = _ended(found)
    taken = {(file.kind, file.of) for file in ended.values() if file.of is not None}
    alone = [
        file
        for file in found
        if file.pid
        and (file.kind, file.pid) not in taken
        # A fold may be late, or have failed.
        and not (_LOST_WITH_PROCESS.fullmatch(file.kind) and not is_alive(file.pid))
    ]
    return sorted(str(file.path) for file in [*alone, *ended.values()])


def _ended(found: Iterable[File]) -> dict[str, File]:
    """Return by kind the file that counts of those for ended processes."""
    folds = sorted((file for file in found if file.pid is None), key=lambda file: file.fold)
    return {file.kind: file for file in folds}
