"""Files at fixed names."""

from __future__ import annotations

from werkzeug.test import Client


def test_robots_are_asked_to_stay_away(portal: Client, portal_prefix: str) -> None:
    answer = portal.get(f"{portal_prefix}/robots.txt")

    assert answer.mimetype == "text/plain"
    assert answer.text == "User-agent: *\nDisallow: /\n"


def test_icon_is_served_as_what_it_is(portal: Client, portal_prefix: str) -> None:
    answer = portal.get(f"{portal_prefix}/favicon.ico")

    assert answer.mimetype == "image/svg+xml"
    assert answer.text.startswith("<svg")


def test_file_that_the_client_has_is_not_sent_again(portal: Client, portal_prefix: str) -> None:
    first = portal.get(f"{portal_prefix}/favicon.ico")
    again = portal.get(
        f"{portal_prefix}/favicon.ico", headers={"If-None-Match": first.headers["ETag"]}
    )

    assert (again.status_code, again.data) == (304, b"")
