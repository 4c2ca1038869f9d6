"""From a user to a browser or a program that is signed in as them."""

from __future__ import annotations

import time

from flask import current_app, flash, redirect, session, url_for
from werkzeug.wrappers import Response

from apps.accounts.users import models
from apps.accounts.users.models import User
from shared_utils.identity import Identity, checked_next, current_identity
from shared_utils.identity.cookie import clear_cookie, set_cookie
from shared_utils.identity.keys import PrivateKey
from shared_utils.identity.tokens import issue
from shared_utils.links import mount_url
from shared_utils.sibling import PORTAL

PRIVATE_KEY = "accounts_private_key"

_HALF_IN = "half_in"
"""In the session: who has signed in with a one-time password, and until when that counts."""
_HALF_IN_SECONDS = 15 * 60


def token_of(user: User) -> str:
    """Return a token that says who ``user`` is."""
    key: PrivateKey = current_app.extensions[PRIVATE_KEY]
    who = Identity(id=str(user.id), name=user.name, roles=user.role.implied)
    return issue(who, key.current())


def signed_in(user: User, next_path: str | None) -> Response:
    """Return a response that signs the browser in and leads on."""
    session.clear()  # and with it the token of forms: somebody else may have put the session here
    response = redirect(checked_next(next_path) or front(), 303)
    set_cookie(response, token_of(user))
    return response


def half_signed_in(user: User, next_path: str | None) -> Response:
    """Return a response that leads to the one thing that ``user`` may do: change the password."""
    session.clear()
    session[_HALF_IN] = [str(user.id), int(time.time()) + _HALF_IN_SECONDS]
    response = redirect(url_for("profile.change_password", next=checked_next(next_path)), 303)
    clear_cookie(response)  # of whoever was signed in before
    return response


def signed_out() -> Response:
    """Return a response that signs the browser out."""
    session.clear()
    flash("You are signed out.", "success")
    response = redirect(url_for("profile.index"), 303)
    clear_cookie(response)
    return response


def current_user() -> User | None:
    """Return who is signed in, or half; None where that is nobody, or somebody who has gone."""
    user_id, until = session.get(_HALF_IN) or ("", 0)
    if time.time() < until:
        user = models.find(user_id)
        if user is None or user.must_change_password:
            return user
        # The change is made: this is a copy of the session from before.
    identity = current_identity()
    return models.find(identity.id) if identity else None


def front() -> str:
    """Return where to go from here: the portal, or this app's own page."""
    return mount_url(PORTAL) or url_for("profile.index")
