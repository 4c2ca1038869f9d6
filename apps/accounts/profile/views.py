"""Pages of the profile."""

from __future__ import annotations

from flask import abort, current_app, flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from apps.accounts.profile.forms import PasswordForm, SignUpForm
from apps.accounts.sessions import signing
from apps.accounts.users import models
from apps.accounts.users.constants import NAME_HINT, SHORTEST_PASSWORD
from shared_utils.identity import checked_next, refusal


def index() -> str:
    """Show whoever is signed in their account, and others the way in."""
    return render_template("profile/index.html", can_sign_up=current_app.config["SIGN_UP"])


def sign_up() -> ResponseReturnValue:
    """Take in a new user, who is signed in at once."""
    if not current_app.config["SIGN_UP"]:
        abort(403, "Accounts are made by the operator here: ask them for one.")
    form = SignUpForm()
    if form.validate_on_submit():
        try:
            user = models.add(form.whose(), form.password.data)
        except models.NameTakenError:
            form.name.errors = ["This name is taken: write another."]
        else:
            return signing.signed_in(user, form.next.data)
    form.next.data = checked_next(request.values.get("next"))
    page = render_template(
        "profile/sign_up.html", form=form, name_hint=NAME_HINT, shortest=SHORTEST_PASSWORD
    )
    return page, 422 if form.errors else 200


def change_password() -> ResponseReturnValue:
    """Give whoever is signed in, or has to do this first, another password."""
    user = signing.current_user()
    if user is None:
        # Nobody is signed in, or somebody who is no user any more.
        return refusal() or signing.signed_out()
    form = PasswordForm(user.name)
    if form.validate_on_submit():
        if models.change_password(user, form.current.data, form.password.data):
            wanted = checked_next(form.next.data)
            response = signing.signed_in(user, wanted or url_for("profile.index"))
            if wanted is None:  # another app would not show it
                flash("Your password is changed.", "success")
            return response
        form.current.errors = ["This is not your current password."]
    form.next.data = checked_next(request.values.get("next"))
    page = render_template(
        "profile/password.html", form=form, user=user, shortest=SHORTEST_PASSWORD
    )
    return page, 422 if form.errors else 200
