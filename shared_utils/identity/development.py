"""``ROWHOUSE_DEV_IDENTITY=ann:operator``: signed in without ``accounts``, while an app is made."""

from __future__ import annotations

import os
import re

from flask import current_app

from shared_utils.identity.tokens import Identity
from shared_utils.sibling import sibling_of

VARIABLE = "ROWHOUSE_DEV_IDENTITY"

_FORM = re.compile(r"[\w.@-]+(:[\w-]+(,[\w-]+)*)?")


def identity() -> Identity | None:
    """Return who the variable says is signed in: in debug, and to an app that is served alone.

    Raises:
        ValueError: it does not say so in a way that can be read.
    """
    text = os.environ.get(VARIABLE)
    if not text or not current_app.debug or sibling_of(current_app).row:
        return None
    if not _FORM.fullmatch(text):
        raise ValueError(f"{VARIABLE}: found {text!r}; write NAME or NAME:ROLE,ROLE")
    name, _, roles = text.partition(":")
    return Identity(id=name, name=name, roles=frozenset(filter(None, roles.split(","))))
