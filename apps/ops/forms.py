"""What is asked before something is done."""

from __future__ import annotations

from wtforms import StringField
from wtforms.validators import Length, Optional

from shared_utils.forms import PageForm

LONGEST_MESSAGE = 500


class ConfirmForm(PageForm):
    """Nothing but the token of our own page."""


class CloseForm(PageForm):
    """Put an app into maintenance."""

    message = StringField(
        "Message",
        filters=[lambda text: text.strip() if text else ""],
        validators=[
            Optional(),
            Length(max=LONGEST_MESSAGE, message="Write at most %(max)d characters."),
        ],
    )
