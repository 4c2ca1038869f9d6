"""The cookie that carries a token, for the issuer to set.

Its path is ``/``, so that every sibling gets it. The wall lets no other app set one of this name.
"""

from __future__ import annotations

from flask import request
from werkzeug.wrappers import Response

from shared_utils.identity.tokens import LIFETIME
from shared_utils.sibling import IDENTITY_COOKIE


def set_cookie(response: Response, token: str, *, lifetime: int = LIFETIME) -> None:
    """Sign the browser in: no script reads it, and no other site's form brings it along."""
    response.set_cookie(
        IDENTITY_COOKIE,
        token,
        max_age=lifetime,
        path="/",
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )


def clear_cookie(response: Response) -> None:
    """Sign the browser out."""
    set_cookie(response, "", lifetime=0)
