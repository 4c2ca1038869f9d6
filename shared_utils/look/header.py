"""What a page's header has to know; ``look`` in templates, also in imported ones."""

from __future__ import annotations

from flask import current_app

from shared_utils.links import mount_url
from shared_utils.look.files import url
from shared_utils.sibling import PORTAL, sibling_of

__all__ = ["account", "all_apps", "front", "sign_in", "sign_out", "title", "url"]


def title() -> str:
    """Return the app's name for people, as its manifest has it."""
    sibling = sibling_of(current_app)
    return sibling.title or sibling.name.capitalize()


def front() -> str:
    """Return the URL of the app's front page."""
    return mount_url(sibling_of(current_app).name) or "/"


def all_apps() -> str | None:
    """Return the URL of the portal; None in the portal, and where there is none."""
    return None if sibling_of(current_app).name == PORTAL else mount_url(PORTAL)


def account() -> str | None:
    """Return the URL of the page about whoever is signed in; None where the row has no issuer."""
    return mount_url(sibling_of(current_app).issuer)


def sign_in() -> str | None:
    """Return the URL to sign in at, and to come back from to this page; None as for the others."""
    # Only here: an app without identity does not need what that needs from the index.
    from shared_utils.identity.returning import here, sign_in_url

    return sign_in_url(here())


def sign_out() -> str | None:
    """Return the URL of the page to sign out on; None where the row has no issuer."""
    issuer = account()
    return issuer and f"{issuer}sign-out"
