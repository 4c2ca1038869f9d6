"""Run the health checks of all apps in this worker, so that one that hangs costs nobody else.

One thread, the rounds, sees what is due. Each run has a short-lived thread of its own: a check that
hangs keeps that thread and is not started again meanwhile, so there is never more than one of it.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import threading
import traceback
from collections.abc import Iterable
from time import monotonic, sleep  # now: an app may replace them later

from flask import Flask

from shared_utils.forks import call_in_child
from shared_utils.health import HealthCheck, Unwell, checks_of
from shared_utils.hosting import telling
from shared_utils.hosting.mounted import Mounted
from shared_utils.hosting.settings.secrets import masked_text
from shared_utils.logging import app_name
from shared_utils.operations.reports import Check

logger = logging.getLogger(__name__)

TICK = 0.5
"""Seconds between two looks at what is due."""
LONGEST_DETAIL = 300
"""Characters of a reason."""


class Run:
    """One check of one app, from run to run.

    Attributes:
        result: what the last run came to.
    """

    def __init__(self, app: Flask, check: HealthCheck, mount: str) -> None:
        self.app, self.check, self._mount = app, check, mount
        self.result = Check(name=check.name)
        self._began = self._due = 0.0
        self._thread: threading.Thread | None = None

    def look(self, now: float) -> None:
        """Start a run that is due; tell of one that takes too long."""
        if self._thread is not None and self._thread.is_alive():
            if now - self._began > self.check.timeout:
                self._tell(False, self._too_long, now - self._began)
            return
        self._thread = None
        if now < self._due:
            return
        self._began, self._due = now, now + self.check.every
        thread = threading.Thread(
            target=contextvars.Context().run,
            args=[self._run],
            name=f"rowhouse-check-{self._mount}",
            daemon=True,
        )
        with contextlib.suppress(RuntimeError):  # no thread left: the next look tries again
            thread.start()
            self._thread = thread

    def _run(self) -> None:
        began = monotonic()
        app_name.set(self._mount)
        try:
            with self.app.app_context():
                self.check.function()
        # A check may raise anything, SystemExit included.
        except BaseException as error:
            detail, ok = _words(error), False
        else:
            detail, ok = "", True
        seconds = monotonic() - began
        if seconds > self.check.timeout:  # whether or not a look has come in between
            detail, ok = self._too_long, False
        self._tell(ok, detail, seconds)

    @property
    def _too_long(self) -> str:
        return f"takes longer than {self.check.timeout:g} s"

    def _tell(self, ok: bool, detail: str, seconds: float) -> None:
        before = self.result.ok
        detail = " ".join(masked_text(detail, LONGEST_DETAIL).split())
        self.result = Check(name=self.check.name, ok=ok, detail=detail, seconds=seconds)
        if ok != before and not (ok and before is None):
            telling.say_aside(
                logger,
                logging.INFO if ok else logging.WARNING,
                "%s: the check of %s %s%s",
                self._mount,
                self.check.name,
                "passes again" if ok else "fails",
                f": {detail}" if detail else "",
                extra={"app": self._mount},
            )


def _words(error: BaseException) -> str:
    """Return what is wrong; the name of an error says nothing where the app has found it itself."""
    told = telling.told(error)[0]
    name, _, words = told.partition(": ")
    return (words or name) if isinstance(error, Unwell) else told


class Rounds:
    """The checks of all mounts of this process.

    Args:
        mounts: they are asked for their checks anew each time, because an app may be built again.
    """

    def __init__(self, mounts: Iterable[Mounted]) -> None:
        self._mounts = list(mounts)
        self._thread: threading.Thread | None
        self._runs: dict[str, dict[str, Run]]
        self._reset()
        call_in_child(self._reset)

    def start(self) -> None:
        """Begin, unless it is at work in this process. May be called as often as one likes."""
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(target=self._go, name="rowhouse-checks", daemon=True)
                with contextlib.suppress(RuntimeError):
                    thread.start()
                    self._thread = thread

    def results(self, name: str) -> list[Check]:
        """Return the last result of each check of a mount."""
        return [run.result for run in list(self._runs.get(name, {}).values())]

    def are_failing(self, name: str) -> bool:
        """Say whether a check of this mount fails; one that has not ended yet does not."""
        return any(result.ok is False for result in self.results(name))

    def look(self, now: float) -> None:
        """Do what is due."""
        for mounted in self._mounts:
            name, app = mounted.mount.name, mounted.flask_app
            runs = self._runs.setdefault(name, {})
            checks = checks_of(app) if app is not None else []
            for check in checks:
                run = runs.get(check.name)
                if app is not None and (run is None or run.check is not check):
                    run = runs[check.name] = Run(app, check, name)
                if run is not None:
                    run.look(now)
            for gone in runs.keys() - {check.name for check in checks}:
                del runs[gone]

    def _reset(self) -> None:
        self._starting = threading.Lock()
        self._thread = None
        self._runs = {}

    def _go(self) -> None:
        while True:
            try:
                self.look(monotonic())
            except BaseException:  # what it looks at is the apps' own
                told = traceback.format_exc()
                telling.say_aside(logger, logging.ERROR, "checks stumbled, and go on:\n%s", told)
                sleep(5)
            sleep(TICK)
