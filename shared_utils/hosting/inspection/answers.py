"""What a worker answers when the operator's console asks, and does when it is told to."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from time import monotonic
from typing import Any

from shared_utils.hosting import interrupt
from shared_utils.hosting.inspection import inside
from shared_utils.hosting.inspection.aside import Aside
from shared_utils.hosting.inspection.recent import Recent
from shared_utils.hosting.maintenance import FOLDER, Maintenance
from shared_utils.hosting.mounted import Mounted
from shared_utils.hosting.row import Row
from shared_utils.hosting.settings.mistakes import ConfigError
from shared_utils.hosting.settings.secrets import masked_text, shortened
from shared_utils.hosting.telemetry.record import Record
from shared_utils.hosting.walls.deadline import WALLS

MOST_RUNNING = 200
"""Requests that an answer lists; the oldest, where there are more."""
LONGEST_VALUE = 500
"""Characters of a path, a reason or a value of the config."""


class Answers:
    """Answers questions about one row.

    Args:
        row: the mounts of this process.
        recent: what is kept of their requests.
    """

    def __init__(self, row: Row, recent: Recent) -> None:
        self._row, self._recent = row, recent
        self._aside = Aside()
        self._maintenance = Maintenance(row.settings.project.instance / FOLDER)

    def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a question; an empty answer where it is not understood."""
        asked, told = question.get("ask"), question.get("do")
        if asked == "worker":
            return self._worker()
        if asked == "stack":
            return self._stack(question.get("thread"), question.get("request_id"))
        mounted = self._row.mounts.get(str(question.get("app")))
        if mounted is None:
            return {"refused": f"there is no mount {question.get('app')!r}"} if told else {}
        if asked == "running":
            return self._running_of(mounted.mount.name)
        if asked == "recent":
            return self._recent_of(mounted.mount.name)
        if asked == "inside":
            return self._aside.call(mounted.mount.name, lambda: self._inside(mounted)) or {}
        if told == "rebuild":
            return self._rebuild(mounted)
        if told in ("close", "open"):
            return self._switch(mounted.mount.name, told, str(question.get("message") or ""))
        return {}

    def _worker(self) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "mounts": {name: self._mount(name, m) for name, m in self._row.mounts.items()},
            "running": [_told(record) for record in self._running()[:MOST_RUNNING]],
        }

    def _mount(self, name: str, mounted: Mounted) -> dict[str, Any]:
        mount, load = mounted.mount, self._row.walls.bulkhead.load(name)
        failed = self._recent.mounts[name].failed
        last_error = None
        with contextlib.suppress(IndexError):
            last_error = _told(failed[-1])
        return {
            "name": name,
            "title": mount.title,
            "prefix": mount.prefix,
            "description": mount.description,
            "owner": mount.owner,
            "contact": mount.contact,
            "required": mount.required,
            "state": mounted.state,
            "build_state": mounted.build_state,
            "failure": _said(mounted.failure),
            "build_seconds": mounted.build_seconds,
            "message": self._maintenance.message_for(name),
            "running": load.running,
            "parked": load.parked,
            "threads": load.threads,
            "checks": [
                {"name": c.name, "ok": c.ok, "detail": c.detail, "seconds": c.seconds}
                for c in self._row.checks.results(name)
            ],
            "last_error": last_error,
        }

    def _running_of(self, name: str) -> dict[str, Any]:
        return {"running": [_told(r) for r in self._running() if r.app == name][:MOST_RUNNING]}

    def _recent_of(self, name: str) -> dict[str, Any]:
        kept = self._recent.mounts[name]
        return {
            "slowest": [_told(record) for record in kept.slowest(monotonic())],
            "failed": [_told(record) for record in list(kept.failed)],
        }

    def _inside(self, mounted: Mounted) -> dict[str, Any]:
        settings: list[dict[str, str]] = []
        with contextlib.suppress(ConfigError):
            settings = [
                {"key": entry.key, "value": _shown(entry.value), "layer": entry.layer}
                for entry in inside.config_of(mounted, self._row)
            ]
        return {"routes": inside.routes_of(mounted), "settings": settings}

    def _stack(self, thread: object, request_id: object) -> dict[str, Any]:
        """Tell where a request is; not where its thread is that has another one by now."""
        record = self._record(thread, request_id)
        if not isinstance(thread, int) or record is None:
            return {"gone": True}
        stack = interrupt.Stack(thread, inside=WALLS)
        if self._record(thread, request_id) is None:
            return {"gone": True}
        # Source lines are read by the loaders of an app's modules.
        told = self._aside.call(record.app, lambda: str(stack))
        return {"stack": told or "(its source cannot be read)"}

    def _record(self, thread: object, request_id: object) -> Record | None:
        found = (r for r in self._running() if r.thread == thread and r.request_id == request_id)
        return next(found, None)

    def _running(self) -> list[Record]:
        """Return what runs in this process, oldest first."""
        records = list(self._row.recorder.running)  # in one step: others change it
        return sorted(records, key=lambda record: record.began)

    def _rebuild(self, mounted: Mounted) -> dict[str, Any]:
        if self._row.builder.rebuild(mounted):
            return {"done": True}
        return {"refused": f"it is {mounted.build_state}"}

    def _switch(self, name: str, told: str, message: str) -> dict[str, Any]:
        try:
            if told == "close":
                self._maintenance.switch_on(name, message)
            else:
                self._maintenance.switch_off(name)
        except ValueError as error:
            return {"refused": str(error)}
        except OSError as error:
            return {"failed": f"{error.filename}: {error.strerror}"}
        return {"done": True}


def _told(record: Record) -> dict[str, Any]:
    return {
        "app": record.app,
        "method": record.method,
        "path": shortened(record.path, LONGEST_VALUE),
        "request_id": record.request_id,
        "client": record.client,
        "thread": record.thread,
        "age": monotonic() - record.began,
        "status": record.status or 0,
        "waited": record.waited or 0.0,
        "duration": record.duration or 0.0,
        "at": record.started_at,
        "failure": _said(record.failure),
    }


def _shown(value: object) -> str:
    """Return a value of the config; its class may be an app's own, and hostile."""
    try:
        # Strings are masked by now, with their key's name; what other classes say of themselves
        # is not.
        if isinstance(value, str):
            return shortened(repr(value), LONGEST_VALUE)
        return _said(repr(value))
    except BaseException as error:
        return f"(cannot be shown: {type(error).__name__})"


def _said(failure: str) -> str:
    """Return what an app has let out; URLs and what is assigned in it may hold secrets."""
    return masked_text(failure, LONGEST_VALUE)
