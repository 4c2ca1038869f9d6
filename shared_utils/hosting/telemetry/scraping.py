"""Who may read the metrics, and what they get: ``/-/metrics``."""

from __future__ import annotations

import hmac
import ipaddress
import os
import re
from typing import TYPE_CHECKING

from werkzeug.wrappers import Request, Response

from shared_utils.problems import problem

if TYPE_CHECKING:
    from shared_utils.hosting.telemetry.metrics import Metrics

TOKEN = "ROWHOUSE_METRICS_TOKEN"  # the name of the variable
"""Variable of the environment with what a scraper has to say."""

FORWARDED = re.compile(
    r"forwarded.*|via|x-(?:forwarded|real|original|client|cluster|envoy|proxy)(?:-.*|user.*)?"
    r"|.*-(?:connecting|client)-ip|x-arr-.*|x-amzn-.*|cdn-loop",
    re.IGNORECASE,
)
"""Headers that say that a request from this machine is a proxy's, and somebody else's."""

_HERE = re.compile(r"(?:localhost|127(?:\.[0-9]+){3}|\[::1\])(?::[0-9]+)?", re.IGNORECASE)


def scraped(request: Request, metrics: Metrics, request_id: str) -> Response:
    """Return the metrics of all workers, or a refusal."""
    status, detail = _refused(request)
    if status:
        return problem(
            status,
            detail,
            accept=request.headers.get("Accept"),
            request_id=request_id or None,
            headers={"WWW-Authenticate": 'Bearer realm="metrics"'} if status == 401 else None,
        )
    text, content_type = metrics.text(request.headers.get("Accept"))
    return Response(text, content_type=content_type, headers={"Cache-Control": "no-store"})


def may_see(request: Request) -> bool:
    """Say whether a request is an operator's: it has the token, or comes from this machine."""
    return not _refused(request)[0]


def _refused(request: Request) -> tuple[int, str]:
    token = os.fsencode(os.environ.get(TOKEN, "")).strip()
    scheme, _, said = request.headers.get("Authorization", "").partition(" ")
    if token and scheme.lower() == "bearer":
        # As bytes: a WSGI environ spells them as latin-1.
        if hmac.compare_digest(said.strip().encode("latin-1", "replace"), token):
            return 0, ""
        return 401, "The bearer token is not the one that this host has."
    if _is_local(request):
        return 0, ""
    if token:
        return 401, "Send the bearer token of this host."
    return 403, f"Metrics are for this machine alone (localhost), as long as {TOKEN} is not set."


def _is_local(request: Request) -> bool:
    """Say whether a request is from this machine, and no proxy has passed it on.

    A proxy on this machine that sets no header of its own passes on the client's ``Host``, or it
    speaks HTTP/1.0, as nginx does unless it is told otherwise. A page that a browser on this
    machine has got from elsewhere names its own host as well, wherever that name leads to.
    """
    if any(FORWARDED.fullmatch(name) for name, _ in request.headers):
        return False
    if request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
        return False
    if not _HERE.fullmatch(request.headers.get("Host", "")):
        return False
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
