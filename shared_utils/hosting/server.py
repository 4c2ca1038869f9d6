"""What gunicorn is told, and what its master hands over to the workers.

The master loads the settings and forks; workers take them from here instead of reading the files
again. A worker that is replaced in the night serves what the last reload has checked, whatever
stands in the files by then.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import logging
import os
from collections.abc import Mapping
from functools import partial
from typing import Any

from shared_utils import serving
from shared_utils.hosting import handover, leaving, marks, master
from shared_utils.hosting.settings.mounts import Settings
from shared_utils.hosting.telemetry import directory, statsd, tracing
from shared_utils.logging import configure_logging

logger = logging.getLogger(__name__)

GUNICORN_TIMEOUT = 30
"""Seconds without a heartbeat after which gunicorn kills a worker."""

SETTLE_WITHIN = 1.0
"""Seconds that the end of a worker waits until its last requests are logged."""

_settings: Settings | None = None
_is_preloaded = False


def handed_over() -> Settings | None:
    """Return the settings that gunicorn's master loaded; None in a process of another kind."""
    return _settings


def preloaded() -> Settings | None:
    """Return the settings of a host that gunicorn's master has made for its workers, if it has."""
    return _settings if _is_preloaded else None


def hand_over(settings: Settings) -> None:
    """Keep settings for the workers that are forked from this process."""
    global _settings
    _settings = settings


def gunicorn_settings(
    settings: Settings, environ: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return gunicorn's settings for a host with these settings."""
    # Here, because only gunicorn needs it. A reload finds out here if it is broken.
    from shared_utils.hosting.worker import Worker

    run = settings.project.instance / "run"
    with contextlib.suppress(OSError):  # gunicorn says so itself, and serves without the socket
        run.mkdir(parents=True, exist_ok=True)
    # Before anything imports prometheus_client.
    directory.choose(run)
    threads = settings.host.threads
    return {
        "wsgi_app": "dispatcher:create_app()",
        # By name: a reload loads it anew.
        "worker_class": f"{Worker.__module__}.{Worker.__qualname__}",
        "workers": int((os.environ if environ is None else environ).get("WEB_CONCURRENCY") or 2),
        "threads": threads,
        # Connections that wait for a request or for their end hold no thread, but count here.
        "worker_connections": max(4096, 4 * threads),
        # A worker does not beat while it waits for the first apps.
        "timeout": GUNICORN_TIMEOUT + int(settings.host.startup_wait),
        "control_socket": str(run / "gunicorn.ctl"),
        # What a proxy says is believed where [host] trusted_proxies says so, and nowhere else:
        # gunicorn would take scheme and SCRIPT_NAME from any client on this machine.
        "forwarder_headers": "",
        "secure_scheme_headers": {},
        # Not logconfig_dict, which would switch gunicorn's access log on.
        "on_starting": start_master,
        "pre_fork": before_fork,
        "post_fork": forked,
        "post_worker_init": booted,
        "child_exit": worker_ended,
        "worker_exit": worker_leaves,
        "on_reload": set_up_master,
    }


def start_master(arbiter: Any) -> None:
    """Set up a master that starts."""
    if _settings:  # once more: a daemon has another process number than who read the settings
        folder = directory.choose(_settings.project.instance / "run")
        try:
            directory.begin(folder)
        except OSError as error:
            directory.forget()
            logger.error("metrics are each worker's own, there is no room for them: %s", error)
    set_up_master(arbiter)
    # Loaded here, so that workers share the memory.
    importlib.import_module("shared_utils.hosting.telemetry.metrics").know_processes()


def set_up_master(arbiter: Any) -> None:
    """Set up the master, at its start and at a reload: the code before may have been older."""
    master.outlive_workers(arbiter)
    handover.install(arbiter)
    statsd.install(arbiter.log)
    join_logging(arbiter)


def forked(arbiter: Any, worker: Any) -> None:
    """Set up a worker that was just forked, before it loads any app."""
    master.begin(arbiter, worker)
    tracing.begin()


def booted(worker: Any) -> None:
    """Set up a worker that has its application."""
    serving.begin(workers=worker.cfg.workers, threads=worker.cfg.threads)
    if serve_with := getattr(worker.wsgi, "serve_with", None):
        serve_with(
            worker.cfg.threads,
            before_waiting=getattr(worker, "give_way", lambda: None),
            after_waiting=getattr(worker, "take_turn", lambda: None),
        )
    if share := getattr(worker.wsgi, "share_cpu", None):
        share()
    if _settings:
        worker.client_timeout = _settings.host.client_timeout
    if sample := getattr(worker.wsgi, "begin_sampling", None):
        sample()
    if gather := getattr(worker.wsgi, "gather_records", None):
        gather()
    if isinstance(worker.log, statsd.Statsd) and (tell := getattr(worker.wsgi, "tell", None)):
        tell(statsd.AppFigures(worker.log))
    # With preload_app the host was made in the master, where it does not build.
    if resume := getattr(worker.wsgi, "resume_building", None):
        resume()
    if watch := getattr(worker.wsgi, "watch_for_stuck_threads", None):
        watch(partial(leaving.ask, worker))
    if be_inspected := getattr(worker.wsgi, "be_inspected", None):
        be_inspected(worker.ppid)
    master.booted(worker)


def worker_leaves(arbiter: Any, worker: Any) -> None:
    """At the end of a worker: see to what it has begun. gunicorn calls it in its master too."""
    if settle := getattr(getattr(worker, "wsgi", None), "settle_records", None):
        settle(SETTLE_WITHIN)
    tracing.end()
    leaving.leave(worker)


def worker_ended(arbiter: Any, worker: Any) -> None:
    """In the master: see to what a worker leaves behind."""
    master.count_exit(worker)
    if folder := directory.current():
        # Whatever comes of it: an exception here would stop the master, and with it every app.
        try:
            folding = importlib.import_module("shared_utils.hosting.telemetry.folding")
            folding.fold(folder)
        except Exception as error:
            logger.error(
                "metrics of workers that have ended stay in files of their own: %s",
                error,
                exc_info=None if isinstance(error, OSError) else error,
            )


def before_fork(arbiter: Any, worker: Any) -> None:
    """Make the master ready to be copied."""
    marks.give(worker)
    arbiter.unborn = worker
    # With preload_app the host is made in the master; from here on its workers build.
    if pause := getattr(arbiter.app.callable, "pause_building", None):
        global _is_preloaded
        _is_preloaded = True
        pause()
    # What loading has left free goes back to the system, or the workers would write into it; and
    # what is left is frozen, or their garbage collectors would write to it.
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):  # GNU libc has it
        trim(0)
    gc.freeze()


def join_logging(arbiter: Any) -> None:
    """Send gunicorn's lines where all others go, but those that its own flags send elsewhere."""
    cfg = arbiter.cfg
    if cfg.logconfig or cfg.logconfig_dict or cfg.logconfig_json:
        return
    joined = []
    if cfg.errorlog == "-":
        joined.append("gunicorn.error")
    if cfg.accesslog in (None, "-"):
        joined.append("gunicorn.access")
    configure_logging(joined=joined)
    if cfg.preload_app and arbiter.app.callable is not None and arbiter.WORKERS:
        logger.warning(
            "preload_app is on: a reload serves the old code and settings; restart, or send USR2"
        )
