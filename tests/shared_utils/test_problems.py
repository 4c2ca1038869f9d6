from __future__ import annotations

import base64
import hashlib
import json

import pytest

from shared_utils.problems import prefers_html, problem

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        (None, False),
        ("", False),
        ("*/*", False),
        (BROWSER, True),
        ("text/html", True),
        ("application/xhtml+xml", True),
        ("text/*", True),
        ("application/json", False),
        ("application/problem+json", False),
        ("application/json, text/html;q=0.5", False),
        ("application/json;q=0.5, text/html", True),
        ("image/png", False),
        ("text/html;q=0", False),
        ("nonsense", False),
    ],
)
def test_who_prefers_a_page(accept: str | None, html: bool) -> None:
    assert prefers_html(accept) is html


def test_json_for_programs() -> None:
    response = problem(
        404, "Gone.", app="trades", request_id="abc", headers={"Retry-After": "3"}, contact="c"
    )
    assert response.content_type == "application/problem+json"
    assert json.loads(response.get_data(as_text=True)) == {
        "status": 404,
        "title": "Not Found",
        "detail": "Gone.",
        "app": "trades",
        "request_id": "abc",
        "contact": "c",
    }
    assert response.headers["Retry-After"] == "3"
    assert response.headers["Vary"] == "Accept"
    assert response.headers["Cache-Control"] == "no-store"


def test_members_without_a_value_are_left_out() -> None:
    content = json.loads(problem(404, "x", contact=None).get_data(as_text=True))
    assert content == {"status": 404, "title": "Not Found", "detail": "x"}


def test_a_page_for_people_with_nothing_as_markup() -> None:
    response = problem(503, "<b>{x}", accept=BROWSER, app="<i>", request_id='"><u>')
    assert response.content_type == "text/html; charset=utf-8"
    assert "&lt;b&gt;{x}" in response.get_data(as_text=True)
    for markup in ("<b>", "<i>", "<u>"):
        assert markup not in response.get_data(as_text=True)
    assert "<title>503 Service Unavailable</title>" in response.get_data(as_text=True)


def test_its_style_is_allowed_by_its_own_policy_and_nothing_else_is() -> None:
    response = problem(404, "x", accept=BROWSER)
    style = response.get_data(as_text=True).partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = response.headers["Content-Security-Policy"].split("; ")
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "Content-Security-Policy" not in problem(404, "x").headers


def test_the_callers_own_policy_stays() -> None:
    headers = {"Content-Security-Policy": "default-src *"}
    response = problem(404, "x", accept=BROWSER, headers=headers)
    assert response.headers.getlist("Content-Security-Policy") == ["default-src *"]


@pytest.mark.parametrize(("status", "again"), [(503, True), (504, True), (404, False)])
def test_what_may_come_back_can_be_tried_again(status: int, again: bool) -> None:
    text = problem(status, "x", accept=BROWSER).get_data(as_text=True)
    assert ('<a href="">Try again</a>' in text) is again


def test_a_page_leads_to_the_portal_and_json_does_not_tell_of_it() -> None:
    page = problem(404, "x", accept=BROWSER, portal='/a"b/').get_data(as_text=True)
    assert '<p><a href="/a&#34;b/">All apps</a></p>' in page
    assert "All apps" not in problem(503, "x", accept=BROWSER).get_data(as_text=True)
    assert "portal" not in problem(503, "x", portal="/").get_data(as_text=True)


def test_what_the_caller_says_about_caching_stays() -> None:
    response = problem(404, "x", headers={"Cache-Control": "max-age=60", "Vary": "Cookie"})
    assert response.headers["Cache-Control"] == "max-age=60"
    assert response.vary.to_header() == "Cookie, Accept"


@pytest.mark.parametrize("status", [418, 499, 520, 599])
@pytest.mark.parametrize("accept", [None, BROWSER])
def test_every_status_of_an_error_can_be_said(status: int, accept: str | None) -> None:
    assert problem(status, "x", accept=accept).status_code == status
