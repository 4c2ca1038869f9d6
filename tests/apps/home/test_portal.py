"""The portal page, alone and with neighbours, at the root and under a prefix."""

from __future__ import annotations

import re

import pytest
from werkzeug.test import Client

from tests.apps.home.neighbourhood import PortalAmong
from tests.street import next_door


def test_alone_it_says_so_kindly(portal: Client, portal_prefix: str) -> None:
    page = portal.get(f"{portal_prefix}/")

    assert page.status_code == 200
    assert "Nobody next door yet" in page.text
    assert 'class="card"' not in page.text


def test_without_neighbours_it_has_no_card_of_itself(
    portal_among: PortalAmong, portal_prefix: str
) -> None:
    page = portal_among().get(f"{portal_prefix}/").text

    assert "Nobody next door yet" in page
    assert "The portal itself" not in page


def test_card_says_what_whose_and_where(portal_among: PortalAmong, portal_prefix: str) -> None:
    shop = next_door(
        "shop",
        title="Shop",
        description="Buy things",
        owner="team-shop",
        contact="shop@example.com",
    )

    page = portal_among(shop).get(f"{portal_prefix}/").text

    assert f'<h2><a href="{portal_prefix}/shop/">Shop</a></h2>' in page
    assert "Buy things" in page
    assert "team-shop" in page
    assert '<a href="mailto:shop@example.com">shop@example.com</a>' in page
    assert "The portal itself" not in page
    assert "1 app in this row." in page


def test_state_is_said_in_words(portal_among: PortalAmong, portal_prefix: str) -> None:
    page = portal_among(next_door("shop", state="lazy")).get(f"{portal_prefix}/").text

    assert '<span class="badge lazy">Starts on first visit</span>' in page


def test_counts_what_is_down(portal_among: PortalAmong, portal_prefix: str) -> None:
    row = [next_door("a"), next_door("b", state="down"), next_door("c", state="lazy")]

    assert "3 apps in this row, 1 down." in portal_among(*row).get(f"{portal_prefix}/").text

    row.append(next_door("d", state="maintenance"))
    said = "4 apps in this row, 1 down, 1 in maintenance."
    assert said in portal_among(*row).get(f"{portal_prefix}/").text


def test_neighbour_without_a_place_is_shown_without_a_link(
    portal_among: PortalAmong, portal_prefix: str
) -> None:
    shop = next_door("shop", state="down", prefix=None, title="Shop")

    assert "<h2>Shop</h2>" in portal_among(shop).get(f"{portal_prefix}/").text


def test_what_another_team_wrote_is_text_and_not_markup(
    portal_among: PortalAmong, portal_prefix: str
) -> None:
    hostile = '"><script>alert(1)</script>'
    fields = dict.fromkeys(("title", "description", "owner", "contact"), hostile)

    page = portal_among(next_door("shop", **fields)).get(f"{portal_prefix}/").text

    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 4


@pytest.mark.parametrize("prefix", ["/caf\u00e9", '/"><b>', "/a b"])
def test_odd_prefix_becomes_a_sound_link(
    portal_among: PortalAmong, portal_prefix: str, prefix: str
) -> None:
    page = portal_among(next_door("shop", prefix=prefix)).get(f"{portal_prefix}/").text

    link = re.search(r'<h2><a href="([^"]*)">', page)
    assert link
    assert re.fullmatch(r"[A-Za-z0-9/%]+", link[1])


def test_it_takes_no_script_no_form_and_no_other_host(
    portal_among: PortalAmong, portal_prefix: str
) -> None:
    page = portal_among(next_door("shop")).get(f"{portal_prefix}/")

    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert not re.search(r"<script|<form|style=|https?://|\son\w+=", page.text)


def test_every_link_on_the_page_works(portal_among: PortalAmong, portal_prefix: str) -> None:
    portal = portal_among(next_door("shop"))
    page = portal.get(f"{portal_prefix}/").text

    links = set(re.findall(r'(?:href|src)="([^"]+)"', page))
    links -= {f"{portal_prefix}/shop/", "#main"}
    assert len(links) == 4
    for link in links:
        assert link.startswith(f"{portal_prefix}/")
        assert portal.get(link).status_code == 200, link


def test_prefix_without_its_slash_still_finds_the_portal(
    portal: Client, portal_prefix: str
) -> None:
    assert portal.get(portal_prefix, follow_redirects=True).status_code == 200


def test_only_reading_is_allowed(portal: Client, portal_prefix: str) -> None:
    refused = portal.post(f"{portal_prefix}/", data={"a": "b"})

    assert refused.status_code == 405
    assert "GET" in refused.headers["Allow"]
