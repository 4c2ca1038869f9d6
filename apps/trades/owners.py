"""Whose trades: those of whoever is signed in, and nobody else's."""

from __future__ import annotations

from flask import abort
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from shared_utils.identity import current_identity, refusal
from shared_utils.identity.guards import REALM


def owner() -> str:
    """Return the id of whoever is signed in, once one of the guards below has seen to that."""
    identity = current_identity()
    if identity is None:
        abort(401)
    return identity.id


guard_pages = refusal
"""For ``before_request`` of a blueprint of pages: leads to sign-in."""


def guard_api() -> None:
    """For ``before_request`` of a blueprint of the API, which leads nowhere.

    Raises:
        Unauthorized: nobody is signed in.
    """
    if current_identity() is None:
        raise Unauthorized(
            "Send a valid token: Authorization: Bearer TOKEN.",
            www_authenticate=WWWAuthenticate("bearer", {"realm": REALM}),
        )
