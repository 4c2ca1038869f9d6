"""The row: every mount of one host at work, and the dispatcher that leads to them."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from shared_utils.forks import call_in_child
from shared_utils.hosting import building
from shared_utils.hosting.builder import Builder
from shared_utils.hosting.building import Site
from shared_utils.hosting.checking import Rounds
from shared_utils.hosting.dispatching import BoundedDispatcher
from shared_utils.hosting.maintenance import FOLDER, Maintenance
from shared_utils.hosting.mounted import Mounted
from shared_utils.hosting.settings import prefixes
from shared_utils.hosting.settings.mistakes import Mistake
from shared_utils.hosting.settings.mounts import Mount, Settings
from shared_utils.hosting.settings.table import reread
from shared_utils.hosting.telemetry.recorder import Recorder
from shared_utils.hosting.walls.walls import Walls
from shared_utils.sibling import PORTAL, Inspected

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


STEADY = 0.05
"""Seconds that a manifest has to stay as it is to be believed."""


class Row:
    """All mounts of a host.

    Args:
        settings: what ``config.load_settings()`` returned.
        pages: the host's own application: what is under ``/-/``, and the answer to paths that no
            mount matches.
        debug: no deadlines, and errors of apps are passed on for a debugger to show.

    Attributes:
        settings: the same settings.
        walls: what stands between the mounts.
        mounts: every mount by name, in order of names.
        dispatcher: the WSGI application that leads to them.
        builder: builds them.
        recorder: knows the requests of this process, and whom to tell of them.
        checks: runs their health checks.
        inspection: this process as the operator's console sees it; None where nobody can look.
    """

    def __init__(self, settings: Settings, pages: WSGIApplication, *, debug: bool = False) -> None:
        self.settings = settings
        self.walls = Walls.around(settings.mounts, settings.host, debug=debug)
        self.recorder = Recorder()
        self._pages = pages
        self._placing = threading.Lock()
        call_in_child(self._reset_in_child)
        maintenance = Maintenance(settings.project.instance / FOLDER)
        self.builder: Builder
        self.mounts: Mapping[str, Mounted] = {
            mount.name: Mounted(
                mount,
                walls=self.walls,
                wake=lambda mounted: self.builder.wake(mounted),
                maintenance=maintenance,
                issuer=mount.name == settings.host.identity_issuer,
            )
            for mount in settings.mounts
        }
        self.builder = Builder(
            self.mounts.values(),
            build=self._build,
            renew=self._renew,
            announce=lambda mounted: self._place(),
            startup_wait=settings.host.startup_wait,
        )
        self.checks = Rounds(self.mounts.values())
        self.inspection: Inspected | None = None
        self.dispatcher = BoundedDispatcher(pages, {})
        self._place()

    @property
    def is_ready(self) -> bool:
        """Whether every required mount can be served, or is in maintenance: that is intended.

        One of which a health check fails cannot.
        """
        required = [mounted for mounted in self.mounts.values() if mounted.mount.required]
        return all(
            mounted.state == "maintenance"
            or (mounted.is_built and not self.checks.are_failing(mounted.mount.name))
            or (mounted.mount.load == "lazy" and mounted.state in ("lazy", "starting"))
            for mounted in required
        )

    def _reset_in_child(self) -> None:
        self._placing = threading.Lock()
        self.walls.reset_after_fork()
        self.recorder.reset()

    def _build(self, mounted: Mounted) -> WSGIApplication:
        site = Site(
            mount=mounted.mount, settings=self.settings, row=self.mounts, host=self.inspection
        )
        return building.build(site)

    def _renew(self, mounted: Mounted) -> None:
        """Read the manifest of a mount that is down again: it may have been mended."""
        mount = reread(self.settings, mounted.mount.name)
        while mount != mounted.mount:
            # It has changed, and may be half written: until two looks at it agree.
            time.sleep(STEADY)
            earlier, mount = mount, reread(self.settings, mounted.mount.name)
            if mount == earlier:
                break
        if mount is None:
            return
        with self._placing:
            holder = self._holder(mount.prefix)
            if holder is not None and holder is not mounted:
                mount = _held_back(mount, holder.mount, mounted.mount.prefix)
            mounted.place(mount)
        self._place()

    def _own_pages(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Pass on with ``/-`` back in the path: the host's pages are no mount, but its routes."""
        environ["SCRIPT_NAME"] = environ["SCRIPT_NAME"].removesuffix(prefixes.RESERVED)
        environ["PATH_INFO"] = prefixes.RESERVED + environ["PATH_INFO"]
        return self._pages(environ, start_response)

    def _holder(self, prefix: str | None) -> Mounted | None:
        held = [m for m in self.mounts.values() if prefix and m.mount.prefix == prefix]
        return held[0] if held else None

    def _place(self) -> None:
        """Lead every prefix to its mount, tell each where the portal is, and keep its session
        cookie to itself.
        """
        with self._placing:
            # Its method, since to call an object takes twice as long.
            table: dict[str, WSGIApplication] = {
                prefixes.script_name(mounted.mount.prefix): mounted.__call__
                for mounted in self.mounts.values()
                if mounted.mount.prefix is not None
            }
            self.dispatcher.remount(table | {prefixes.RESERVED: self._own_pages})
            sessions = frozenset(mounted.session_cookie for mounted in self.mounts.values())
            home = self.mounts.get(PORTAL)
            for mounted in self.mounts.values():
                mounted.keep_out(sessions)
                mounted.portal = home.mount.prefix if home and home is not mounted else None


def _held_back(mount: Mount, holder: Mount, prefix: str | None) -> Mount:
    """Return ``mount`` as it stays down at ``prefix``: ``holder`` is served where it belongs."""
    file, key = mount.prefix_at
    taken = Mistake(
        file=file,
        key=key,
        found=f'"{mount.prefix}" is being served by {holder.name}',
        write="write another prefix, or reload the host",
    )
    return dataclasses.replace(mount, prefix=prefix, conflict=taken)
