"""Checked links from one app into another.

In templates, ``mount_url`` is there by itself: ``{{ mount_url("trades", "ledger.index") }}``.
"""

from __future__ import annotations

import difflib
from typing import Any
from urllib.parse import quote

from flask import Flask, current_app, has_request_context, request
from werkzeug.routing import BuildError, MapAdapter

from shared_utils.sibling import Neighbour, sibling_of

_SAFE = "/~!$&'()*+,;=:@"
"""What a path may hold as it is (RFC 3986, section 3.3)."""
_ANCHOR = "%!#$&'()*+,/:;=?@"
"""What Flask's ``url_for`` leaves as it is in an anchor."""


class LinkError(LookupError):
    """A link leads nowhere: the app is there, but not the endpoint, or a value is missing."""


def mount_url(name: str, endpoint: str | None = None, /, **values: Any) -> str | None:
    """Return the URL of another app's page, right under every prefix and behind every proxy.

    Args:
        name: name of the mount, as in ``rowhouse list``.
        endpoint: endpoint in that app; None for its front page.
        values: values of the rule, and ``_external``, ``_anchor``, ``_scheme`` as in ``url_for``.

    Returns:
        The URL; None where no app of this name is known, as when this app is served alone.
        While the other app is not built (down, starting, lazy) its endpoints cannot be looked up:
        the link leads to its front page then, which says so.

    Raises:
        LinkError: the app has no such endpoint, or a value that its rule needs is missing.
    """
    sibling = sibling_of(current_app)
    if name == sibling.name and not sibling.row:
        if endpoint is None:
            return _front("/", **values)
        return _built(current_app, "/", name, endpoint, values)
    neighbour = sibling.row.get(name)
    if neighbour is None or neighbour.mount.prefix is None:
        return None
    if endpoint is None or not neighbour.is_built:
        return front_door(neighbour, **values)
    if neighbour.flask_app is None:
        raise LinkError(
            f"{name} is not a Flask app and has no endpoint {endpoint!r}; "
            f'write mount_url("{name}") for its front page'
        )
    return _built(neighbour.flask_app, neighbour.mount.prefix, name, endpoint, values)


def front_door(neighbour: Neighbour, **values: Any) -> str | None:
    """Return the URL of a neighbour's front page; None where it has no place.

    Only ``_external``, ``_scheme`` and ``_anchor`` count among ``values``.
    """
    if neighbour.mount.prefix is None:
        return None
    return _front(neighbour.mount.prefix, **values)


def host_url(path: str) -> str:
    """Return the URL of a path of the host itself, such as ``/-/live``.

    An app that is served alone answers in the host's place: the URL is one of its own then.
    """
    return quote(_outer() + path, safe=_SAFE)


def _front(prefix: str, **values: Any) -> str:
    path = quote(_outer() + prefix.rstrip("/") + "/", safe=_SAFE)
    anchor = f"#{quote(values['_anchor'], safe=_ANCHOR)}" if values.get("_anchor") else ""
    external = values.get("_external", values.get("_scheme") is not None)
    if external and has_request_context():
        scheme = values.get("_scheme") or request.scheme
        return f"{scheme}://{request.host}{path}{anchor}"
    return path + anchor


def _outer() -> str:
    """Return the path in front of all mounts: a proxy's prefix, decoded, or nothing."""
    if not has_request_context():
        return ""
    return request.root_path.removesuffix(sibling_of(current_app).prefix.rstrip("/"))


def _built(app: Flask, prefix: str, name: str, endpoint: str, values: dict[str, Any]) -> str:
    anchor = values.pop("_anchor", None)
    scheme = values.pop("_scheme", None)
    external = bool(values.pop("_external", scheme is not None))
    adapter = app.url_map.bind(
        request.host if has_request_context() else app.config["SERVER_NAME"] or "localhost",
        script_name=quote(_outer() + prefix, safe=_SAFE),
        url_scheme=request.scheme if has_request_context() else "http",
    )
    try:
        url = adapter.build(endpoint, values, url_scheme=scheme, force_external=external)
    except BuildError as error:
        raise LinkError(_why(error, adapter, name)) from error
    return f"{url}#{quote(anchor, safe=_ANCHOR)}" if anchor else url


def _why(error: BuildError, adapter: MapAdapter, name: str) -> str:
    """Say what is wrong with a link: the endpoint, or the values."""
    endpoints = sorted({rule.endpoint for rule in adapter.map.iter_rules()})
    if error.endpoint in endpoints:
        wanted = sorted(
            {key for r in adapter.map.iter_rules(error.endpoint) for key in r.arguments}
        )
        return (
            f"{name} cannot build {error.endpoint!r} from the values {sorted(error.values)}; "
            f"its rules take {wanted}"
        )
    near = difflib.get_close_matches(error.endpoint, endpoints, n=1)
    write = f"write {near[0]!r}" if near else f"write one of {endpoints}"
    return f"{name} has no endpoint {error.endpoint!r}; {write}"
