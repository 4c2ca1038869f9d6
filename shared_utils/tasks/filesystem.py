"""Messages as files: kombu's filesystem transport, made safe against processes that are killed.

Kombu's own writes a message in place, so that a reader may find half of it, which stops the worker;
moves it through the system's temporary folder; and lists and sorts all queues for each message.
Here a queue is a folder of its own, a message appears whole by a rename, and it belongs to the one
who has removed its file.

What a worker had taken when it was killed is lost, as with kombu's own: the row is the truth.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty
from typing import Any
from urllib.parse import quote

from kombu.transport import filesystem
from kombu.utils import json

logger = logging.getLogger(__name__)

_packed: Callable[[Any], str] = json.dumps
_unpacked: Callable[[str], Any] = json.loads


class Channel(filesystem.Channel):
    """A channel whose queues are folders in ``transport_options["folder"]``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        self._listed: dict[str, deque[Path]] = {}

    @property
    def folder(self) -> Path:
        """The folder of all queues."""
        return Path(self.transport_options["folder"])

    @property
    def control_folder(self) -> Path:
        """The folder of exchanges; apps' queues need none."""
        folder = self.folder / ".exchanges"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def _queue(self, queue: str) -> Path:
        return self.folder / quote(queue, safe="")

    def _put(  # type: ignore[override]  # kombu overrides it so itself
        self, queue: str, payload: Any, **_: Any
    ) -> None:
        folder = self._queue(queue)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The clock of the wall: that since boot would put messages of before a boot last.
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex}"
        draft = folder / f"{name}.draft"
        draft.write_text(_packed(payload), encoding="utf-8")
        draft.replace(folder / f"{name}.msg")

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        for path in self._waiting(queue):
            try:
                text = path.read_text(encoding="utf-8", errors="replace")
                path.unlink()
            except FileNotFoundError:
                continue  # another worker has it
            try:
                return _unpacked(text)
            except ValueError:
                logger.error("%s is no message and was removed", path.name)
        raise Empty

    def _waiting(self, queue: str) -> Iterator[Path]:
        """Go through the messages, oldest first; the folder is listed once for all it holds."""
        listed = self._listed.get(queue)
        if not listed:
            listed = self._listed[queue] = deque(sorted(self._messages(queue)))
        while listed:
            yield listed.popleft()

    def _messages(self, queue: str) -> list[Path]:
        folder = self._queue(queue)
        try:
            return [folder / name for name in os.listdir(folder) if name.endswith(".msg")]  # noqa: PTH208
        except FileNotFoundError:
            return []

    def _size(self, queue: str) -> int:
        return len(self._messages(queue))

    def _purge(self, queue: str) -> int:
        removed = 0
        for path in self._messages(queue):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
                removed += 1
        return removed


class Transport(filesystem.Transport):
    """The transport that ``filesystem://`` stands for here."""

    Channel = Channel
    polling_interval = 0.2
