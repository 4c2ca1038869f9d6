"""What gunicorn is told, and what its master hands over to the workers.

The master loads the settings and forks; workers take them from here instead of reading the files
again. A worker that is replaced in the night serves what the last reload has checked, whatever
stands in the files by then.
"""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Mapping
from typing import Any

from shared_utils.hosting.settings.mistakes import ConfigError, Mistake
from shared_utils.hosting.settings.table import Settings
from shared_utils.logging import configure_logging

GUNICORN_TIMEOUT = 30
"""Seconds without a heartbeat after which gunicorn kills a worker."""

_settings: Settings | None = None


def handed_over() -> Settings | None:
    """Return the settings that gunicorn's master loaded; None in a process of another kind."""
    return _settings


def hand_over(settings: Settings) -> None:
    """Keep settings for the workers that are forked from this process."""
    global _settings
    _settings = settings


def gunicorn_settings(
    settings: Settings, environ: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return gunicorn's settings for a host with these settings.

    Raises:
        ConfigError: ``WEB_CONCURRENCY`` is not a number of workers.
    """
    run = settings.project.instance / "run"
    with contextlib.suppress(OSError):  # gunicorn says so itself, and serves without the socket
        run.mkdir(parents=True, exist_ok=True)
    threads = settings.host.threads
    return {
        "wsgi_app": "dispatcher:create_app()",
        "worker_class": "gthread",
        "workers": _workers(os.environ if environ is None else environ),
        "threads": threads,
        # Connections kept alive between requests hold no thread, but count here.
        "worker_connections": max(1000, 2 * threads),
        # A worker does not beat while it waits for the first apps.
        "timeout": GUNICORN_TIMEOUT + int(settings.host.startup_wait),
        "control_socket": str(run / "gunicorn.ctl"),
        # The prefix in front is X-Forwarded-Prefix's to say, where [host] trusted_proxies has one
        # believed; a header SCRIPT_NAME would be taken from any client on this machine.
        "forwarder_headers": "",
        # Not logconfig_dict, which would switch gunicorn's access log on.
        "on_starting": lambda arbiter: configure_logging(),
        # Or the workers' garbage collectors would copy the pages that they share with the master.
        "pre_fork": lambda arbiter, worker: gc.freeze(),
        "on_reload": lambda arbiter: configure_logging(),
    }


def _workers(environ: Mapping[str, str]) -> int:
    given = environ.get("WEB_CONCURRENCY", "2")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    found, write = f"found {given!r}", "write a number of workers, such as 2"
    raise ConfigError([Mistake(file="WEB_CONCURRENCY", found=found, write=write)])
