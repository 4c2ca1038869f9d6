"""How many connections a process keeps to one database, and whether the server has as many."""

from __future__ import annotations

import logging
import threading
from typing import Any

from shared_utils import serving
from shared_utils.database.address import POOL_KEY, Address

logger = logging.getLogger(__name__)

BUDGET = 16
"""Connections that one app takes by default, over all worker processes: six apps fit into the
hundred that PostgreSQL has by default.
"""

PATIENCE = 10.0
"""Seconds that a thread waits for a connection of the pool, before its request fails."""

KEPT = 8
"""Connections to a file that stay open; more are opened as threads need them."""

_lock = threading.Lock()
_sizes: dict[str, dict[str, int]] = {}
"""For each server, the pools of this process: what the app is called, and its size."""


def size_for(address: Address, told: serving.Serving) -> int:
    """Return how many connections to a server each process may hold.

    What the config says, else the app's share of :data:`BUDGET`, but no more than threads.
    """
    return address.pool_size or max(1, min(told.threads, BUDGET // told.workers))


def options(address: Address) -> dict[str, Any]:
    """Return what ``create_engine`` has to know of the pool."""
    if address.is_sqlite:
        # A file costs nothing but memory. A reader must never wait behind writers that wait.
        return {"pool_size": address.pool_size or KEPT, "max_overflow": -1}
    return {
        "pool_size": size_for(address, serving.current()),
        "max_overflow": 0,
        "pool_timeout": PATIENCE,
        "pool_pre_ping": True,  # the server may have been restarted
        "pool_use_lifo": True,
    }


def check(connection: Any, name: str, address: Address) -> None:
    """Warn once where all workers' pools together may ask the server for more than it has.

    Args:
        connection: a psycopg connection that was opened a moment ago.
        name: the app whose it is.
        address: where it leads.
    """
    told = serving.current()
    server = f"{connection.info.host}:{connection.info.port}"
    row = connection.execute(
        "SELECT current_setting('max_connections')::int"
        " - current_setting('superuser_reserved_connections')::int"
    ).fetchone()
    connection.rollback()
    limit = int(row[0])
    with _lock:
        sizes = _sizes.setdefault(server, {})
        before = told.workers * sum(sizes.values())
        sizes[name] = size_for(address, told)
        asked = told.workers * sum(sizes.values())
        shown = ", ".join(f"{app} {size}" for app, size in sorted(sizes.items()))
        fitting = max(1, limit // told.workers // len(sizes))
    if before <= limit < asked:
        logger.warning(
            "The database server at %s has %d connections for us, and %d workers with pools of %s"
            " may ask for %d: requests may fail. Set %s to %d for each of these apps, run fewer"
            " workers, or raise max_connections.",
            *(server, limit, told.workers, shown, asked, POOL_KEY, fitting),
        )
