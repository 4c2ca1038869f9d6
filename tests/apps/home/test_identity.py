"""Who is signed in, as the portal's pages say it."""

from __future__ import annotations

import pytest
from flask import Flask
from werkzeug.test import Client

from shared_utils.identity.testing import sign_in
from tests.apps.home.neighbourhood import PortalAmong
from tests.street import next_door


@pytest.mark.parametrize("path", ["/", "/nothing"])
def test_it_says_who_is_signed_in(
    portal_app: Flask, portal_among: PortalAmong, portal_prefix: str, path: str
) -> None:
    portal = portal_among(next_door("accounts"))
    sign_in(portal, "Ann", app=portal_app)

    page = portal.get(portal_prefix + path, headers={"Accept": "text/html"})

    assert "Signed in as </span>Ann</a>" in page.text
    assert f'<a href="{portal_prefix}/accounts/sign-out">Sign out</a>' in page.text
    assert "Sign in</a>" not in page.text
    assert "Cookie" in page.headers["Vary"]


def test_a_visitor_may_sign_in_and_come_back(portal_among: PortalAmong, portal_prefix: str) -> None:
    page = portal_among(next_door("accounts")).get(f"{portal_prefix}/").text

    back = portal_prefix.replace("/", "%2F") + "%2F"
    assert f'<a href="{portal_prefix}/accounts/sign-in?next={back}">Sign in</a>' in page
    assert "Signed in as" not in page


def test_without_accounts_there_is_nowhere_to_sign_in(portal: Client, portal_prefix: str) -> None:
    assert "Sign in" not in portal.get(f"{portal_prefix}/").text
