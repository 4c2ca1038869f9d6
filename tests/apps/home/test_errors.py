"""Error pages: for people a page of the portal, for programs problem JSON."""

from __future__ import annotations

import pytest
from flask import Flask
from werkzeug.test import Client


@pytest.mark.parametrize("path", ["/nothing", "/static/nothing.css", "/static/../app.toml", "/%00"])
def test_unknown_page_leads_back_to_the_portal(
    portal: Client, portal_prefix: str, path: str
) -> None:
    page = portal.get(portal_prefix + path, headers={"Accept": "text/html"})

    assert page.status_code == 404
    assert "Not Found" in page.text
    assert f'<a href="{portal_prefix}/">See all apps</a>' in page.text
    assert "Content-Security-Policy" in page.headers


def test_program_gets_problem_json(portal: Client, portal_prefix: str) -> None:
    answer = portal.get(f"{portal_prefix}/nothing", headers={"Accept": "application/json"})

    assert answer.mimetype == "application/problem+json"
    assert answer.json is not None
    assert answer.json["status"] == 404


def test_failure_is_told_without_its_reason(
    portal_app: Flask, portal: Client, portal_prefix: str
) -> None:
    def fail() -> str:
        raise RuntimeError("the reason")

    portal_app.add_url_rule("/fail", view_func=fail)

    page = portal.get(f"{portal_prefix}/fail", headers={"Accept": "text/html"})

    assert page.status_code == 500
    assert "See all apps" in page.text
    assert "the reason" not in page.text
