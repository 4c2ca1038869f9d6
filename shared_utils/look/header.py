"""What a page's header has to know; ``look`` in templates, also in imported ones."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import current_app, request

from shared_utils.links import mount_url
from shared_utils.look.files import url
from shared_utils.sibling import sibling_of

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
    return None if sibling_of(current_app).name == "home" else mount_url("home")


def account() -> str | None:
    """Return the URL of the page about whoever is signed in; None without the app ``accounts``."""
    return mount_url("accounts")


def sign_in() -> str | None:
    """Return the URL to sign in at, and to come back from to this page."""
    accounts = account()
    if accounts is None:
        return None
    # Only what was read can be asked for again.
    path = request.root_path + request.full_path.removesuffix("?")
    back = f"?{urlencode({'next': path}, safe='/')}" if request.method in ("GET", "HEAD") else ""
    return f"{accounts}sign-in{back}"


def sign_out() -> str | None:
    """Return the URL of the page to sign out at; None without the app ``accounts``."""
    accounts = account()
    return accounts and f"{accounts}sign-out"
