from __future__ import annotations

import pytest
from flask import Flask
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from apps.home import create_app
from shared_utils.sibling import EXTENSION, Sibling
from tests.apps.home.neighbourhood import PortalAmong, Visitor
from tests.street import House, Next


@pytest.fixture(params=["", "/north/row"], ids=["at the root", "under a prefix"])
def portal_prefix(request: pytest.FixtureRequest) -> str:
    prefix: str = request.param
    return prefix


@pytest.fixture
def portal_app() -> Flask:
    return create_app({"SECRET_KEY": "for tests", "TESTING": True, "PROPAGATE_EXCEPTIONS": False})


@pytest.fixture
def portal(portal_app: Flask, portal_prefix: str) -> Client:
    """The portal, served under its prefix."""
    return Visitor(DispatcherMiddleware(NotFound(), {portal_prefix: portal_app}))


@pytest.fixture
def portal_among(portal_app: Flask, portal: Client) -> PortalAmong:
    """Give the portal neighbours; they and it are behind a proxy that adds the prefix."""

    def among(*neighbours: Next) -> Client:
        itself = Next(mount=House(name="home", prefix="/", title="The portal itself"))
        row = {each.mount.name: each for each in (itself, *neighbours)}
        portal_app.extensions[EXTENSION] = Sibling(name="home", prefix="/", row=row, origins={})
        return portal

    return among
