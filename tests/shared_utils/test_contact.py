"""How a neighbour's contact becomes a link."""

from __future__ import annotations

import pytest

from shared_utils.contact import contact_url


@pytest.mark.parametrize(
    ("contact", "url"),
    [
        ("shop@example.com", "mailto:shop@example.com"),
        ("shop?bcc=all@example.com", "mailto:shop%3Fbcc%3Dall@example.com"),
        ("https://chat.example.com/shop", "https://chat.example.com/shop"),
        ("room 12", None),
        ("javascript:alert(1)", None),
        ("javascript:a@example.com", None),
        ("two@example.com,three@example.com", None),
        ("", None),
    ],
)
def test_only_known_schemes_become_links(contact: str, url: str | None) -> None:
    assert contact_url(contact) == url
