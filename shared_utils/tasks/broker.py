"""Where messages go: ``ROWHOUSE_BROKER_URL``, by default files under ``instance/run/broker``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

ROOT = Path(__file__).resolve().parents[2]
"""The project's folder: a workspace has ``shared_utils`` in it."""

CONNECT_TIMEOUT = 2.0
"""Seconds that a request waits for a broker at most."""

_REDIS = ("redis", "rediss", "redis+socket", "sentinel")


def run_folder() -> Path:
    """Return the folder of what only running processes need."""
    return ROOT / "instance" / "run"


def settings(environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what Celery has to know of the broker and of the result backend.

    ``ROWHOUSE_RESULT_URL`` names a result backend; by default there is none, since a job's row
    tells what came of it.
    """
    environ = os.environ if environ is None else environ
    url = environ.get("ROWHOUSE_BROKER_URL") or "filesystem://"
    told: dict[str, Any] = {
        "broker_url": url,
        "broker_connection_timeout": CONNECT_TIMEOUT,
        "result_backend": environ.get("ROWHOUSE_RESULT_URL") or None,
    }
    # Without a limit, kombu tries to connect a hundred times before a request gets its answer.
    options: dict[str, Any] = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1}
    scheme = urlsplit(url).scheme
    if scheme == "filesystem":
        told["broker_url"] = "filesystem://localhost"
        told["broker_transport"] = "shared_utils.tasks.filesystem:Transport"
        path = unquote(urlsplit(url).path)
        options["folder"] = path or str(run_folder() / "broker")
    elif scheme in _REDIS:
        if prefix := dict(parse_qsl(urlsplit(url).query)).get("global_keyprefix"):
            told["broker_url"] = url.partition("?")[0]
            options["global_keyprefix"] = prefix
        options |= {
            "socket_connect_timeout": CONNECT_TIMEOUT,
            "socket_timeout": 30.0,
            "socket_keepalive": True,
            "health_check_interval": 25,
        }
    told["broker_transport_options"] = options
    return told
