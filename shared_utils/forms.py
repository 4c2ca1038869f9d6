"""What the forms of all apps have in common; needs Flask-WTF, which is an app's extra.

``protect(app)`` has its place in ``create_app``, after ``configure_app``; a page shows the token of
its :class:`PageForm` as ``{{ form.csrf_token }}``.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, request
from flask_wtf import CSRFProtect, FlaskForm


class PageForm(FlaskForm):  # type: ignore[misc]  # its package has no types
    """A form that a page sends, with a token against forged ones."""

    class Meta(FlaskForm.Meta):  # type: ignore[misc]
        """Where its fields come from."""

        def wrap_formdata(self, form: object, formdata: object) -> Any:
            """Take what a form has sent, and no JSON: fields would get more than texts."""
            return request.form if request.method == "POST" else None


def protect(app: Flask) -> Any:
    """Give an app's templates their ``csrf_token()``, and refuse what is sent without it.

    Returns Flask-WTF's ``CSRFProtect``, to exempt views from it. With ``WTF_CSRF_CHECK_DEFAULT``
    False in its config the app looks for the token itself.
    """
    # A page may stay open for long; its token ends with the session.
    app.config.setdefault("WTF_CSRF_TIME_LIMIT", None)
    return CSRFProtect(app)
