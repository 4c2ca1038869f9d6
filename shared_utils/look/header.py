"""What a page's header has to know; ``look`` in templates, also in imported ones."""

from __future__ import annotations

from urllib.parse import quote

from flask import current_app, request

from shared_utils.links import mount_url
from shared_utils.look.files import url
from shared_utils.sibling import sibling_of

__all__ = ["account", "all_apps", "front", "sign_in", "sign_out", "title", "url"]

_QUERY = "/?:@!$&'()*+,;=%"
"""What a query may hold as it is (RFC 3986, section 3.4)."""


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
    if request.method not in ("GET", "HEAD"):
        return f"{accounts}sign-in"  # what a form has sent is not asked for again by a link
    path = quote(request.root_path + request.path)
    if query := request.query_string:
        path += f"?{quote(query, safe=_QUERY)}"
    return f"{accounts}sign-in?next={quote(path)}"


def sign_out() -> str | None:
    """Return the URL of the page to sign out at; None without the app ``accounts``."""
    accounts = account()
    return accounts and f"{accounts}sign-out"
