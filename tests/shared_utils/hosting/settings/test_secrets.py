from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_utils.hosting.settings.secrets import MASK, is_secret, masked, masked_text, shortened


@pytest.mark.parametrize(
    "key",
    [
        "SECRET_KEY",
        "SECRET_KEY_FALLBACKS",
        "MAIL_PASSWORD",
        "API_TOKEN",
        "API_TOKENS",
        "AWS_SECRET_ACCESS_KEY",
        "STRIPE_KEY",
        "SENTRY_DSN",
        "SECURITY_PASSWORD_SALT",
        "password",
        "APIKEY",
    ],
)
def test_secrets(key: str) -> None:
    assert is_secret(key)


@pytest.mark.parametrize("key", ["PAGE_SIZE", "MONKEY", "DEBUG", "TITLE", "BASALT"])
def test_no_secrets(key: str) -> None:
    assert not is_secret(key)


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("SECRET_KEY", "x", MASK),
        ("SECRET_KEY", None, None),
        ("SECRET_KEY", 5, MASK),
        ("PAGE_SIZE", 5, 5),
        ("TITLE", "plain", "plain"),
        ("DB", "postgresql://u:pw@h/d", f"postgresql://u:{MASK}@h/d"),
        ("DB", "redis://:pw@h", f"redis://:{MASK}@h"),
        ("DB", "postgresql://h/d?user=u&password=pw", f"postgresql://h/d?user=u&password={MASK}"),
        ("DB", "sqlite:///a.db", "sqlite:///a.db"),
        ("OPTIONS", {"password": "pw", "user": "u"}, {"password": MASK, "user": "u"}),
        ("OPTIONS", {"a": [{"token": "t"}]}, {"a": [{"token": MASK}]}),
        ("URLS", ("amqp://u:pw@h",), [f"amqp://u:{MASK}@h"]),
    ],
)
def test_what_is_shown(key: str, value: object, shown: object) -> None:
    assert masked(key, value) == shown


@given(st.text(alphabet="abcXYZ019!$&'()*+,;=:.~_%-", min_size=1))
def test_a_password_in_a_url_is_masked(password: str) -> None:
    assert masked("DB", f"postgresql://u:{password}@h/d") == f"postgresql://u:{MASK}@h/d"


@pytest.mark.parametrize("password", ["mar@ker", "mar/ker"])
def test_a_password_that_was_not_quoted_is_masked_all_the_same(password: str) -> None:
    shown = masked("DB", f"postgresql://u:{password}@h/d")
    assert "ker" not in shown.replace(MASK, "")
    assert "mar" not in shown


@given(st.integers(1, 200), st.integers(0, 60))
def test_no_half_of_a_secret_is_shown_where_a_text_is_cut(longest: int, before: int) -> None:
    text = "x" * before + " cannot reach postgresql://me:hunter2@db/shop and so " + "on " * 400
    shown = masked_text(text, longest)
    assert len(shown) <= max(longest, len(MASK))
    assert "hunter" not in shown


def test_a_text_of_one_endless_word_is_not_shown() -> None:
    assert masked_text("x" * 5000, 300) == MASK


@given(st.text(), st.integers(1, 20))
def test_what_is_shortened_begins_as_it_did_and_says_where_it_ends(text: str, longest: int) -> None:
    found = shortened(text, longest)
    assert len(found) <= longest
    assert found == text or (
        found[-1] == "…" and text.startswith(found[:-1]) and len(text) > longest
    )
