"""The app as a whole: its keys, its migrations, alone and without neighbours."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from apps.accounts import create_app
from apps.accounts.sessions import PRIVATE_KEY
from shared_utils.database import migrations
from tests.apps.accounts.person import Person


def test_the_first_start_makes_the_keys(accounts_config: dict[str, Any]) -> None:
    private = Path(accounts_config["IDENTITY_PRIVATE_KEY_FILE"])
    public = Path(accounts_config["IDENTITY_PUBLIC_KEY_FILE"])
    first = create_app(accounts_config)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert public.read_text().startswith("-----BEGIN PUBLIC KEY-----")
    second = create_app(accounts_config)
    kids = [app.extensions[PRIVATE_KEY].current().kid for app in (first, second)]
    assert kids[0] == kids[1]


def test_keys_that_cannot_be_made_stop_the_app_and_say_why(
    accounts_config: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    accounts_config["IDENTITY_PRIVATE_KEY_FILE"] = str(tmp_path / "file" / "identity.pem")
    with pytest.raises(ValueError, match="write another file for IDENTITY_PRIVATE_KEY_FILE"):
        create_app(accounts_config)


def test_the_migrations_make_what_the_models_want(accounts_app: Flask) -> None:
    try:
        assert migrations.revision(accounts_app, "nothing") is None
    finally:
        folder = Path(accounts_app.root_path) / "migrations" / "versions"
        for file in folder.glob("*_nothing.py"):
            os.remove(file)  # noqa: PTH107


def test_two_apps_of_a_process_are_apart(make_accounts: Callable[..., Flask]) -> None:
    first, second = make_accounts(SIGN_IN_RATE="1 per day"), make_accounts()
    for app, statuses in ((first, [401, 429]), (second, [401, 401])):
        client = app.test_client()
        found = [
            client.post("/api/v1/token", json={"name": "a1", "password": "x"}).status_code
            for _ in range(2)
        ]
        assert found == statuses


@pytest.mark.parametrize("path", ["/sign-in", "/sign-up", "/sign-out", "/password"])
@pytest.mark.parametrize("sent", [[1], {"name": 5, "password": ["x"], "next": {}}, "text", None])
def test_a_page_takes_forms_and_no_json(person: Person, path: str, sent: object) -> None:
    person.sign_up()
    headers = {"X-CSRFToken": person.form_token("/password"), "Accept": "text/html"}
    answer = person.client.post(person.prefix + path, json=sent, headers=headers)
    assert answer.status_code in (303, 422), answer.text
    assert person.client.post(person.prefix + path, data="{", headers=headers).status_code < 500
