"""What runs before and after every request of the portal."""

from __future__ import annotations

from flask import Response, g

from shared_utils.neighbours import neighbours

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The portal's pages need a stylesheet and an icon, and no script or form (CSP Level 3)."""


def look_along_row() -> None:
    """Keep the other apps in ``g.row``, as they are now.

    States change while a page is rendered: looked at once, a card and the count above it agree.
    """
    g.row = [entry for entry in neighbours() if not entry.is_self]


def set_content_security_policy(response: Response) -> Response:
    """Allow pages nothing but what the portal itself serves."""
    response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    return response
