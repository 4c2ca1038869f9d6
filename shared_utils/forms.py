"""What the forms of all pages have in common; needs Flask-WTF, which is an app's extra."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_wtf import FlaskForm


class PageForm(FlaskForm):  # type: ignore[misc]  # its package has no types
    """A form that a page sends, with a token against forged ones."""

    class Meta(FlaskForm.Meta):  # type: ignore[misc]
        """Where its fields come from."""

        def wrap_formdata(self, form: object, formdata: object) -> Any:
            """Take what a form has sent, and no JSON: fields would get more than texts."""
            return request.form if request.method == "POST" else None
