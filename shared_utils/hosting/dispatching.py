"""Route a request to a mount: Werkzeug's dispatcher, bounded to the deepest mount."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from werkzeug.middleware.dispatcher import DispatcherMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class BoundedDispatcher(DispatcherMiddleware):
    """Werkzeug's ``DispatcherMiddleware``, at a cost that does not grow with the path.

    Werkzeug looks for a mount at every slash of the path, from the end. A mount has only so many
    slashes, so nothing can match beyond those: this class looks at as many leading segments as
    the deepest mount has. It gives the same application, ``SCRIPT_NAME`` and ``PATH_INFO``.

    Args:
        app: the application for paths that no mount matches.
        mounts: script names, as a WSGI environ spells them, and their applications.
    """

    def __init__(self, app: WSGIApplication, mounts: Mapping[str, WSGIApplication]) -> None:
        super().__init__(app)
        self.remount(mounts)

    def remount(self, mounts: Mapping[str, WSGIApplication]) -> None:
        """Replace all mounts at once; a request that is on its way sees the old or the new ones."""
        self.mounts = dict(mounts)
        depth = max((script_name.count("/") for script_name in mounts), default=0)
        self._table = (self.mounts, depth)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Pass the request on, with the mount's path moved from PATH_INFO to SCRIPT_NAME."""
        mounts, depth = self._table
        path = environ.get("PATH_INFO", "")
        segments = path.split("/", depth + 1)
        script = path if len(segments) <= depth + 1 else path[: -1 - len(segments[-1])]
        while "/" in script and script not in mounts:
            script = script[: script.rindex("/")]
        app = mounts.get(script, self.app)
        environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + script
        environ["PATH_INFO"] = path[len(script) :]
        return app(environ, start_response)
