"""Signed in, in a test: with a key that is thrown away with the process."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from flask import Flask
from flask.testing import FlaskClient
from joserfc.jwk import OKPKey
from werkzeug.test import Client

from shared_utils.identity.keys import PUBLIC_KEYS, new_key
from shared_utils.identity.tokens import Identity, issue
from shared_utils.sibling import IDENTITY_COOKIE


def sign_in(
    client: Client | Flask,
    name: str,
    *,
    roles: Iterable[str] = (),
    id: str | None = None,
    app: Flask | None = None,
) -> str:
    """Sign somebody in; return the token, to be sent as a bearer token where there is no client.

    Args:
        client: gets the cookie; with an app in its place, nobody does.
        name: what they are called.
        roles: what they may do.
        id: default: the name.
        app: what the client talks to, where that is not known from the client.
    """
    if isinstance(client, Flask):
        app = client
    elif app is None:
        if not isinstance(client, FlaskClient):
            raise TypeError("pass app=: this client does not say which app it talks to")
        app = client.application
    pem = _key().as_pem(private=False).decode()
    known = app.config.get(PUBLIC_KEYS) or []
    if pem not in known:
        app.config[PUBLIC_KEYS] = [*([known] if isinstance(known, str) else known), pem]
    token = issue(Identity(id=id or name, name=name, roles=frozenset(roles)), _key())
    if not isinstance(client, Flask):
        client.set_cookie(IDENTITY_COOKIE, token)
    return token


@functools.cache
def _key() -> OKPKey:
    return new_key()
