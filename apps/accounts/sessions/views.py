"""Pages and JSON of sessions."""

from __future__ import annotations

from flask import abort, current_app, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from apps.accounts.sessions import signing
from apps.accounts.sessions.forms import SignInForm, SignOutForm, json_object
from apps.accounts.users import models
from apps.accounts.users.constants import LONGEST_PASSWORD
from shared_utils.identity import checked_next
from shared_utils.identity.guards import REALM
from shared_utils.identity.tokens import LIFETIME

_WRONG = "Name or password is wrong."


def sign_in() -> ResponseReturnValue:
    """Sign somebody in, for every app of the row."""
    form = SignInForm()
    wrong = ""
    if form.validate_on_submit():
        user = models.authenticated(form.name.data, form.password.data)
        if user is not None:
            sign = signing.half_signed_in if user.must_change_password else signing.signed_in
            return sign(user, form.next.data)
        wrong = _WRONG
    form.next.data = checked_next(request.values.get("next"))
    page = render_template(
        "sessions/sign_in.html", form=form, wrong=wrong, can_sign_up=current_app.config["SIGN_UP"]
    )
    return page, 422 if wrong or form.errors else 200


def sign_out() -> ResponseReturnValue:
    """Ask whether to sign out, as a link from another app cannot do it itself; then do it."""
    form = SignOutForm()
    if form.validate_on_submit():
        return signing.signed_out()
    return render_template("sessions/sign_out.html", form=form)


def token() -> ResponseReturnValue:
    """Return a token for a program, which sends it as ``Authorization: Bearer``."""
    name, password = _credentials()
    user = models.authenticated(name, password)
    if user is None:
        challenge = WWWAuthenticate("bearer", {"realm": REALM})
        raise Unauthorized(_WRONG, www_authenticate=challenge)
    if user.must_change_password:
        abort(403, "This password is for one time: sign in on the page and change it first.")
    return {
        "access_token": signing.token_of(user),
        "token_type": "Bearer",
        "expires_in": LIFETIME,
    }


def _credentials() -> tuple[str, str]:
    if request.mimetype != "application/json":
        abort(415, "Send application/json.")
    sent = json_object()
    name, password = sent.get("name"), sent.get("password")
    if not (isinstance(name, str) and isinstance(password, str) and name and password):
        abort(400, 'Send an object, such as {"name": "ann", "password": "..."}.')
    if len(name) > 255 or len(password) > 4 * LONGEST_PASSWORD:
        abort(400, "The name, or the password, is longer than any.")
    return name, password
