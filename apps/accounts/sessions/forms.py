"""What the pages of sessions send."""

from __future__ import annotations

from typing import Any

from flask import request
from wtforms import HiddenField, PasswordField, StringField
from wtforms.validators import InputRequired, Length

from apps.accounts.users.constants import LONGEST_PASSWORD
from shared_utils.forms import PageForm


class SignInForm(PageForm):
    """A name and its password."""

    name = StringField(validators=[InputRequired("Write your name."), Length(max=255)])
    password = PasswordField(
        validators=[InputRequired("Write your password."), Length(max=4 * LONGEST_PASSWORD)]
    )
    next = HiddenField()


class SignOutForm(PageForm):
    """A button."""


def json_object() -> dict[str, Any]:
    """Return the JSON object that a program has sent; an empty one where it is something else."""
    try:
        sent = request.get_json(silent=True)
    except RecursionError:
        return {}
    return sent if isinstance(sent, dict) else {}
