"""Cookie scope: a mount's cookies stay under its prefix, and its neighbours' stay out.

Siblings share one origin, so that a browser would send a cookie with path ``/`` to all of them,
and let one overwrite another's of the same name (RFC 6265, section 5.4).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import quote, unquote_to_bytes

from shared_utils.sibling import IDENTITY_COOKIE

_SAFE = "/~!$&'()*+,:=@"
_BEHIND_COMMA = re.compile(rf",\s*{IDENTITY_COOKIE}\s*=[^;,]*")

Headers = list[tuple[str, str]]


def scoped(headers: Headers, script_name: str, prefix: str, *, issuer: bool = False) -> Headers:
    """Return response headers with every cookie's path inside the mount.

    A cookie without a path or with ``/`` gets the script name. One whose path is inside the
    configured prefix, but not inside the script name, was meant without a proxy's prefix in front
    and gets it. All others stay, and so do ``__Host-`` cookies, whose path has to be ``/``.

    Args:
        script_name: the script name of this request, a proxy's prefix included.
        prefix: the mount's own script name, without a proxy's.
        issuer: the identity cookie is this mount's to set: it stays as it is.
    """
    script_name, prefix = as_path(script_name), as_path(prefix)
    return [
        (name, _scoped_cookie(value, script_name, prefix))
        if name.lower() == "set-cookie" and not (issuer and is_identity(value))
        else (name, value)
        for name, value in headers
    ]


def without_identity(headers: Headers) -> Headers:
    """Return response headers without an identity cookie: it is the issuer's alone to set."""
    return [
        (name, value)
        for name, value in headers
        if name.lower() != "set-cookie" or not is_identity(value)
    ]


def is_identity(cookie: str) -> bool:
    """Say whether a ``Set-Cookie`` sets what would come back as the identity cookie.

    A browser takes blanks off around the name. It keeps a cookie without a name too, and sends its
    value alone, which may read like a name and a value (RFC 6265bis, section 5.6).
    """
    name, separator, value = cookie.partition(";")[0].partition("=")
    name = name.strip()
    if separator and not name:
        name = value.partition("=")[0].strip()
    return name == IDENTITY_COOKIE


def without(cookies: str, names: Collection[str], *, keep: str = "") -> str:
    """Return a ``Cookie`` header without the cookies of these names, but with ``keep``.

    Where a client has sent several headers, servers join them with commas: the identity is not
    hidden behind one.
    """
    if IDENTITY_COOKIE in names and "," in cookies:
        cookies = _BEHIND_COMMA.sub("", cookies)
    pairs = ((pair.partition("=")[0].strip(), pair) for pair in cookies.split(";"))
    return ";".join(pair for name, pair in pairs if name == keep or name not in names).strip()


def _scoped_cookie(cookie: str, script_name: str, prefix: str) -> str:
    pair, *attributes = cookie.split(";")
    if pair.strip().lower().startswith("__host-"):
        return cookie
    path = ""
    kept = []
    for attribute in attributes:
        key, _, value = attribute.partition("=")
        if key.strip().lower() == "path":
            path = value.strip()  # the last one counts (RFC 6265, section 5.3)
        else:
            kept.append(attribute)
    if not path.startswith("/") or path == "/":
        path = script_name or "/"
    else:
        plain = quote(unquote_to_bytes(path.encode("latin-1")), safe=_SAFE)
        if _is_inside(plain, script_name) or not _is_inside(plain, prefix):
            return cookie
        path = script_name.removesuffix(prefix) + plain
    return ";".join([pair, *kept, f" Path={path}"])


def as_path(script_name: str) -> str:
    """Return a script name as a browser asks for it: percent-encoded (RFC 6265, section 5.1.4)."""
    return quote(script_name.encode("latin-1"), safe=_SAFE)


def _is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
