"""The host: many independent Flask apps under URL prefixes, in one process.

A request's way, from the outside in:

    Edge                 request id, record for log and metrics, safe headers
    CheckedProxyFix      what proxies in front say, where [host] trusted_proxies is not 0
    BoundedDispatcher    Werkzeug's DispatcherMiddleware: which mount is it for
    Mounted              the app of one mount, or a 503 that says whose it is
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from flask import Flask
from flask.helpers import get_debug_flag
from werkzeug.exceptions import HTTPException

import config
from shared_utils import look
from shared_utils.hosting import pages
from shared_utils.hosting.counting import count
from shared_utils.hosting.development import is_reloaders_parent
from shared_utils.hosting.edge import Edge
from shared_utils.hosting.fairness import Fairness
from shared_utils.hosting.inspection import Inspection
from shared_utils.hosting.proxy import CheckedProxyFix
from shared_utils.hosting.row import Row
from shared_utils.hosting.rules import RowMap
from shared_utils.hosting.server import handed_over
from shared_utils.hosting.settings.mounts import Settings
from shared_utils.hosting.telemetry.listening import listen
from shared_utils.hosting.telemetry.recorder import Finished
from shared_utils.logging import ensure_logging


class Host(Flask):
    """A real Flask app, so that ``flask run``, ``flask routes`` and ``test_client()`` work.

    Its own routes are the pages under ``/-/``; its ``wsgi_app`` leads to the mounts.
    """

    url_map_class = RowMap

    def pause_building(self) -> None:
        """Begin no build in this process, which will be forked."""
        pages.row_of(self).builder.pause()

    def serve_with(
        self,
        threads: int,
        before_waiting: Callable[[], None],
        after_waiting: Callable[[], None],
    ) -> None:
        """Share out as many threads as the server has, whatever the settings say.

        Args:
            threads: how many it has.
            before_waiting: what a thread calls that is about to wait, for a slot or in an app.
            after_waiting: what it calls where an app has waited and is done.
        """
        bulkhead = pages.row_of(self).walls.bulkhead
        bulkhead.scale(threads)
        bulkhead.before_waiting, bulkhead.after_waiting = before_waiting, after_waiting

    def share_cpu(self) -> None:
        """From here on, have apps that compute leave the others their share of the CPU time."""
        row = pages.row_of(self)
        Fairness(row.recorder, row.walls.bulkhead, list(row.mounts)).begin()

    def watch_for_stuck_threads(self, report: Callable[[int], None]) -> None:
        """Have ``report`` called with the number of threads that hang, as it changes."""
        pages.row_of(self).walls.watchdog.call_when_stuck(report)

    def tell(self, listener: Finished) -> None:
        """Have ``listener`` called with the records of requests that have ended."""
        pages.row_of(self).recorder.finished.append(listener)

    def gather_records(self) -> None:
        """Tell of requests that have ended many at once, until ``settle_records``."""
        pages.row_of(self).recorder.gather()

    def settle_records(self, within: float) -> None:
        """Tell of all that have ended; give up after ``within`` seconds."""
        pages.row_of(self).recorder.settle(within)

    def begin_sampling(self) -> None:
        """Take down each second what is to be told of this process, until it ends."""
        pages.begin_sampling(self)

    def resume_building(self) -> None:
        """Go on building in a process that was forked from the one that made this host."""
        pages.row_of(self).builder.start()

    def be_inspected(self, master: int) -> None:
        """Run health checks, and answer the operator's console.

        Args:
            master: the process that forked this worker and its like.
        """
        row = pages.row_of(self)
        row.checks.start()
        if isinstance(row.inspection, Inspection):
            row.inspection.start(master)


def create_app(settings: Settings | None = None) -> Flask:
    """Make the host.

    Args:
        settings: default: those that gunicorn's master loaded, else ``config.load_settings()``.

    Raises:
        ConfigError: the operator file has mistakes.
    """
    ensure_logging()
    settings = settings or handed_over() or config.load_settings()
    host = Host("dispatcher", static_folder=None, root_path=str(settings.project.root))
    host.register_blueprint(pages.bp)
    host.register_blueprint(look.bp)
    host.register_error_handler(HTTPException, pages.answer_error)

    row = Row(settings, pages=host.wsgi_app, debug=get_debug_flag())
    host.extensions[pages.ROW] = row
    host.extensions[pages.METRICS] = count(row)
    host.url_map.row = row  # type: ignore[attr-defined]

    application = row.dispatcher
    if trusted := settings.host.trusted_proxies:
        application = CheckedProxyFix(application, trusted)  # type: ignore[assignment]
    host.wsgi_app = Edge(application, recorder=listen(row.recorder))  # type: ignore[method-assign]
    row.inspection = Inspection(row, pages.metrics_of(host).collect)

    if not is_reloaders_parent():
        row.builder.start()
        row.builder.wait()
    return host


def cli(arguments: list[str] | None = None) -> None:
    """Run the command ``rowhouse``.

    Args:
        arguments: default: those of the process.
    """
    from shared_utils.cli.rowhouse import ProjectGroup  # only here: gunicorn has no use for it

    ProjectGroup(root=config.ROOT, create_app=create_app).main(arguments, prog_name="rowhouse")


if __name__ == "__main__":
    cli(sys.argv[1:] or ["run"])
