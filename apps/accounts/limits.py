"""How often somebody may try, by Flask-Limiter.

Counted in memory, in each worker process, unless ``RATELIMIT_STORAGE_URI`` names a server; then in
memory while that cannot be reached.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import time
from collections.abc import Callable
from functools import partial
from typing import cast

import limits as rates
from flask import Flask, Response, current_app, request
from flask.typing import ResponseReturnValue
from flask_limiter import Limiter

from apps.accounts.sessions import signing
from apps.accounts.sessions.forms import json_object
from apps.accounts.users import fields

View = Callable[..., ResponseReturnValue]

DEFAULTS = {
    "SIGN_IN_RATE": "10 per minute; 100 per hour",  # for one name, from one address
    "SIGN_IN_ADDRESS_RATE": "60 per minute",  # for all names, from one address
    "SIGN_UP_RATE": "30 per hour",  # from one address
}

_SIGN_IN = ("sessions.sign_in", "sessions_api.token")


def init_app(app: Flask) -> None:
    """Limit the views of ``app`` that take a password.

    Raises:
        ValueError: a rate of the config cannot be read.
    """
    for key, default in DEFAULTS.items():
        _check(key, app.config.setdefault(key, default))
    app.config.setdefault("RATELIMIT_STORAGE_URI", "memory://")
    # Of this app alone: other apps, and other apps of this one's making, count for themselves.
    limiter = Limiter(address, key_prefix="accounts", in_memory_fallback_enabled=True)
    limiter.init_app(app)
    app.after_request(partial(_say_when, limiter))
    for endpoint in _SIGN_IN:
        _limit(app, limiter, endpoint, "SIGN_IN_ADDRESS_RATE", "sign-in-address")
        _limit(app, limiter, endpoint, "SIGN_IN_RATE", "sign-in")
    _limit(app, limiter, "profile.change_password", "SIGN_IN_RATE", "sign-in")
    _limit(app, limiter, "profile.sign_up", "SIGN_UP_RATE", "sign-up")


def address() -> str:
    """Return the client's address; of IPv6 the network, whose addresses are one client's."""
    told = request.remote_addr or "unknown"
    try:
        found = ipaddress.ip_address(told)
    except ValueError:
        return told
    if isinstance(found, ipaddress.IPv6Address):
        return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))
    return told


def address_and_name() -> str:
    """Return the client's address and whom it says it is, in a few characters."""
    # Flask-Limiter takes any error here for one of its storage, and would begin to count anew.
    try:
        name = _name()
    except Exception:  # which the view will meet as well
        name = ""
    plain = fields.plain_name(name) if isinstance(name, str) else ""
    return f"{address()} {hashlib.sha256(plain.encode(errors='replace')).hexdigest()[:32]}"


def _name() -> object:
    if request.endpoint == "profile.change_password":
        user = signing.current_user()
        return user.name if user else ""
    if request.mimetype == "application/json":
        return json_object().get("name")
    return request.form.get("name")


def _limit(app: Flask, limiter: Limiter, endpoint: str, key: str, scope: str) -> None:
    limit = limiter.shared_limit(
        lambda: str(current_app.config[key]),
        scope,
        key_func=address_and_name if key == "SIGN_IN_RATE" else address,
        methods=["POST"],
        error_message="Too many tries: wait a minute and try again.",
    )
    app.view_functions[endpoint] = limit(cast("View", app.view_functions[endpoint]))


def _say_when(limiter: Limiter, response: Response) -> Response:
    """Say when to try again, where that was too often."""
    breached = limiter.current_limit
    if response.status_code == 429 and breached is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(breached.reset_at - time.time())))
    return response


def _check(key: str, rate: object) -> None:
    try:
        rates.parse_many(str(rate))
    except ValueError:
        raise ValueError(f'{key} is {rate!r}; write a rate, such as "{DEFAULTS[key]}"') from None
