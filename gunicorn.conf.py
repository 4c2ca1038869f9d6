"""Settings of the one process: ``gunicorn`` in this folder serves every app.

``GUNICORN_CMD_ARGS`` and flags win over what stands here. gunicorn runs this file at its start and
at every reload (HUP), in its master, which then forks the workers: the host's own code is loaded
here anew, so that a reload serves it. Whatever is wrong with it or with the settings stops the
start, but never a master that serves already: that keeps the last good ones.
"""

import gc
import importlib
import logging
import sys
from typing import Any

_OURS = ("config", "dispatcher", "shared_utils")


def _loaded() -> dict[str, Any]:
    import dispatcher  # noqa: F401  # in the master, so that its workers share the memory
    from config import load_settings
    from shared_utils.hosting import server

    settings = load_settings()
    told = server.gunicorn_settings(settings)
    server.hand_over(settings)
    return told


def _reloaded() -> dict[str, Any]:
    """Load code and settings as they are now; go back to the last good ones where that fails.

    With ``preload_app``, workers go on with the application that the master has made: no other code
    of the host may stand beside it then.
    """
    present = sys.modules.get("shared_utils.hosting.server")
    if present is not None and (preloaded := present.preloaded()) is not None:
        kept: dict[str, Any] = present.gunicorn_settings(preloaded)
        return kept
    importlib.invalidate_caches()
    last_good = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_ours(name)}
    gc.unfreeze()  # what was frozen for the forks before, and is old now
    try:
        return _loaded()
    except BaseException as error:
        for name in [name for name in sys.modules if _is_ours(name)]:
            del sys.modules[name]
        sys.modules.update(last_good)
        server = last_good.get("shared_utils.hosting.server")
        settings = server.handed_over() if server else None
        explained = type(error).__name__ == "ConfigError"  # its class is of the code that failed
        if server is None or settings is None:
            if explained:
                sys.exit(f"rowhouse does not start: {error}")
            raise
        logging.getLogger("gunicorn.error").error(
            "reload: the last good code and settings stay: %s",
            error,
            exc_info=None if explained else error,
        )
        told: dict[str, Any] = server.gunicorn_settings(settings)
        return told


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] in _OURS


globals().update(_reloaded())
