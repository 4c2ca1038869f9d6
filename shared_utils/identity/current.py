"""Who is signed in, in this request."""

from __future__ import annotations

import logging

from flask import Flask, Response, current_app, has_request_context, request

from shared_utils.identity import development
from shared_utils.identity.keys import PublicKeys
from shared_utils.identity.tokens import Identity, InvalidTokenError, verify
from shared_utils.sibling import IDENTITY_COOKIE

logger = logging.getLogger(__name__)

EXTENSION = "rowhouse_identity"

_ENVIRON_KEY = "rowhouse.identity"


def init_app(app: Flask) -> None:
    """Have ``app`` know who is signed in; its templates too, as ``current_identity``.

    Keys are read when the first token comes. A response for which somebody was looked for says
    that it is for them alone (RFC 9111, section 5.2.2.7).
    """
    app.extensions[EXTENSION] = PublicKeys(app)
    app.context_processor(lambda: {"current_identity": current_identity()})
    app.after_request(_keep_private)


def current_identity() -> Identity | None:
    """Return who is signed in; None where nobody is, and outside of a request.

    A bearer token (RFC 6750) counts before the cookie. Without either, in debug, an app that is
    served alone takes what ``ROWHOUSE_DEV_IDENTITY`` says.

    Raises:
        LookupError: ``init_app`` was not called.
    """
    if not has_request_context():
        return None
    environ = request.environ  # every app has its own: what is kept here is not a neighbour's
    if _ENVIRON_KEY not in environ:
        environ[_ENVIRON_KEY] = _identified()
    found: Identity | None = environ[_ENVIRON_KEY]
    return found


def bearer_token() -> str | None:
    """Return the request's bearer token; None where there is none."""
    authorization = request.authorization
    if authorization is None or authorization.type != "bearer":
        return None
    return authorization.token or ""


def _identified() -> Identity | None:
    keys = current_app.extensions.get(EXTENSION)
    if not isinstance(keys, PublicKeys):
        raise LookupError(
            f"the app {current_app.name!r} does not know who is signed in; "
            "call shared_utils.identity.init_app(app) in its create_app()"
        )
    token = bearer_token()
    if token is None and IDENTITY_COOKIE in request.environ.get("HTTP_COOKIE", ""):
        token = request.cookies.get(IDENTITY_COOKIE)
    if not token:
        return development.identity() if token is None else None
    try:
        return verify(token, keys.current())
    except InvalidTokenError as error:
        logger.info("token refused: %s", error)
        return None


def _keep_private(response: Response) -> Response:
    if _ENVIRON_KEY in request.environ:
        response.vary.update(["Cookie", "Authorization"])
        response.headers.setdefault("Cache-Control", "private, no-cache")
    return response
