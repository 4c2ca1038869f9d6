"""To sign-in, and back to where somebody came from, but nowhere else."""

from __future__ import annotations

import re
from urllib.parse import quote, urlencode, urlsplit

from flask import current_app, request

from shared_utils.links import mount_url
from shared_utils.sibling import sibling_of

LONGEST = 2000
"""Characters of a path to come back to."""

_PATH = re.compile(r"/(?!/)[A-Za-z0-9\-._~!$&'()*+,;=:@%/?]*")
"""An absolute path with a query, of the characters that a URL has (RFC 3986, section 3.3).

Not ``//host``. No backslash, which browsers read as a slash; no tab or line end, which they drop
(URL standard, "basic URL parser"); no fragment, which no server sees.
"""


def checked_next(target: str | None) -> str | None:
    r"""Return ``target`` where it is a path of this origin, else None.

    It comes out of a URL, which anybody may have made: an open redirect would lead from our
    sign-in to a page that looks like it (CWE-601).

    >>> checked_next("/trades/?page=2"), checked_next("//evil.example"), checked_next("/\\evil")
    ('/trades/?page=2', None, None)
    """
    if target is None or len(target) > LONGEST or not _PATH.fullmatch(target):
        return None
    return target


def sign_in_url(next_path: str | None = None) -> str | None:
    """Return the URL of the page to sign in on; None where the row has no issuer.

    Args:
        next_path: path to come back to; dropped where it is not one of this origin.
    """
    sibling = sibling_of(current_app)
    front = mount_url(sibling.issuer)
    if front is None:
        return None
    wanted = checked_next(next_path)
    return f"{front}sign-in?{urlencode({'next': wanted})}" if wanted else f"{front}sign-in"


def here() -> str | None:
    """Return the path to come back to after sign-in; None where there is none.

    For a request that changes something it is the page that sent it: the request cannot be made
    again by following a link.
    """
    if request.method in ("GET", "HEAD"):
        query = quote(request.query_string, safe="!$&'()*+,;=:@%/?")
        path = quote(request.root_path + request.path, safe="/~!$&'()*+,;=:@")
        return checked_next(f"{path}?{query}" if query else path)
    referrer = urlsplit(request.referrer or "")
    if referrer.netloc != request.host:
        return None
    return checked_next(f"{referrer.path}?{referrer.query}" if referrer.query else referrer.path)
