from __future__ import annotations

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


def test_what_the_caller_says_about_caching_stays() -> None:
    response = problem(404, "x", headers={"Cache-Control": "max-age=60", "Vary": "Cookie"})
    assert response.headers["Cache-Control"] == "max-age=60"
    assert response.vary.to_header() == "Cookie, Accept"


@pytest.mark.parametrize("status", [418, 499, 520, 599])
@pytest.mark.parametrize("accept", [None, BROWSER])
def test_every_status_of_an_error_can_be_said(status: int, accept: str | None) -> None:
    assert problem(status, "x", accept=accept).status_code == status
