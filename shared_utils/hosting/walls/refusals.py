"""What the host answers in an app's place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

from shared_utils.hosting.settings.mounts import Mount
from shared_utils.logging import request_id
from shared_utils.problems import problem

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def refusal(
    mount: Mount,
    environ: WSGIEnvironment,
    status: int,
    detail: str,
    *,
    retry_after: float | None = None,
    reach: bool = True,
    portal: str | None = None,
) -> Response:
    """Return a problem response about a mount.

    Args:
        mount: the app that would have answered.
        environ: the request.
        status: HTTP status, 400 to 599.
        detail: a sentence for whoever reads it.
        retry_after: seconds; rounded up, at least 1.
        reach: say in the sentence whom to ask, where the manifest does.
        portal: URL of the page that shows all apps, for people to go on to.
    """
    if reach and mount.contact:
        detail += f" {mount.owner or 'Its team'} can help: {mount.contact}."
    headers = {}
    if retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(retry_after)))
    return problem(
        status,
        detail,
        accept=environ.get("HTTP_ACCEPT"),
        app=mount.name,
        request_id=request_id.get() or None,
        headers=headers,
        portal=portal,
        contact=mount.contact or None,
    )


def failed(mount: Mount, environ: WSGIEnvironment) -> Response:
    """Return the answer where an app has failed; the log tells why."""
    return refusal(mount, environ, 500, f"{mount.title} could not answer this request.")


def too_slow(mount: Mount, environ: WSGIEnvironment) -> Response:
    """Return the answer where an app has taken longer than its deadline."""
    return refusal(mount, environ, 504, f"{mount.title} took too long to answer this request.")


def too_large(mount: Mount, environ: WSGIEnvironment) -> Response:
    """Return the answer to a request body of more than ``max_body`` bytes."""
    most = mount.limits.max_body
    detail = f"{mount.title} takes request bodies of up to {most} bytes."
    return refusal(mount, environ, 413, detail, reach=False)


def busy(mount: Mount, environ: WSGIEnvironment, *, portal: str | None = None) -> Response:
    """Return the answer to a request that is shed."""
    detail = f"{mount.title} has more requests than it can answer. Try again in a moment."
    retry_after = mount.limits.queue_timeout
    retry_after = min(retry_after, 60.0)
    return refusal(mount, environ, 503, detail, retry_after=retry_after, reach=False, portal=portal)
