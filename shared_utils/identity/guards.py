"""Views for those alone who are signed in, or have a role."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from flask import abort, current_app, redirect, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized
from werkzeug.wrappers import Response

from shared_utils.identity.current import bearer_token, current_identity
from shared_utils.identity.returning import here, sign_in_url
from shared_utils.logging import app_name, request_id
from shared_utils.problems import prefers_html, problem

View = TypeVar("View", bound=Callable[..., Any])

REALM = "rowhouse"


def login_required(view: View) -> View:
    """Have ``view`` answer those alone who are signed in.

    Pages are led to sign-in and come back from there; programs get 401 as problem JSON.
    """
    return _guarded(view)


def role_required(*roles: str) -> Callable[[View], View]:
    """Have a view answer those alone who have one of these roles; 403 for others."""
    return lambda view: _guarded(view, *roles)


def refusal(*roles: str) -> Response | None:
    """Return the response for somebody who may not; None where they may.

    For ``before_request``, to guard a whole blueprint:

        bp.before_request(lambda: identity.refusal("operator"))

    Args:
        roles: one of these is needed; without any, it is enough to be signed in.

    Raises:
        HTTPException: 401 or 403 as a page, which the app's error handler makes.
    """
    identity = current_identity()
    if identity is None:
        return _unauthorized()
    if roles and identity.roles.isdisjoint(roles):
        return _forbidden(roles)
    return None


def _guarded(view: View, *roles: str) -> View:
    @functools.wraps(view)
    def guarded(*args: Any, **values: Any) -> Any:
        refused = refusal(*roles)
        return current_app.ensure_sync(view)(*args, **values) if refused is None else refused

    return cast("View", guarded)


def _unauthorized() -> Response:
    is_refused = bearer_token() is not None
    detail = "The token is not valid, or not any more." if is_refused else "Sign in first."
    challenge = WWWAuthenticate("bearer", {"realm": REALM})
    if is_refused:
        challenge["error"] = "invalid_token"
    if _is_program():
        return _problem(401, detail, {"WWW-Authenticate": challenge.to_header()})
    url = sign_in_url(here())
    if url is None:
        raise Unauthorized(detail, www_authenticate=challenge)
    response = redirect(url, 303)
    response.headers["Cache-Control"] = "no-store"
    return response


def _forbidden(roles: tuple[str, ...]) -> Response:
    detail = f"This takes the role {' or '.join(roles)}, which you do not have."
    return _problem(403, detail) if _is_program() else abort(403, detail)


def _is_program() -> bool:
    """Say whether no person looks at the response: it would not do to show them a form."""
    return "Authorization" in request.headers or not prefers_html(request.headers.get("Accept"))


def _problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    return problem(
        status,
        detail,
        app=app_name.get() or current_app.name,
        request_id=request_id.get() or None,
        headers=headers,
    )
