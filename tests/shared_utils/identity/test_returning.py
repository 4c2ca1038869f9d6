"""Back to where somebody came from, and nowhere else."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_utils.identity.returning import LONGEST, checked_next


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/trades/", "/trades/?page=2&sort=a,b", "/caf%C3%A9/", "/a//b", "/a?next=//x"),
        "/-/live",
        # A browser does not decode these before it knows the host.
        *("/%2F%2Fevil.example", "/%5Cevil.example", "/%0D%0AX:y", "/%09/evil.example"),
    ],
)
def test_a_path_of_this_origin_is_taken(path: str) -> None:
    assert checked_next(path) == path


@pytest.mark.parametrize(
    "target",
    [
        None,
        "",
        "trades",
        "//evil.example",
        "%2F%2Fevil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\\/evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        " //evil.example",
        "/a\r\nSet-Cookie: x=1",
        "/a\x00b",
        "/a\x7f",
        "/a b",
        "/a#fragment",
        "/café",
        "/\u2028",
        "/\uff0f\uff0fevil.example",
        "https://evil.example",
        "https:/evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "@evil.example",
        ".evil.example",
        "/a\n",
        "/" + "a" * LONGEST,
    ],
)
def test_everything_else_is_refused(target: str | None) -> None:
    assert checked_next(target) is None


PARTS = ["/", "\\", "//", "evil.example", "\t", "\n", "@", ":", "?", "#", "..", "%2f"]


@given(st.text() | st.lists(st.sampled_from(PARTS)).map("".join))
def test_what_is_taken_never_leads_to_another_host(text: str) -> None:
    taken = checked_next(text)
    if taken is not None:
        read = taken.replace("\\", "/").translate(dict.fromkeys(map(ord, "\t\r\n"))).strip()
        assert urlsplit(urljoin("http://here.example/accounts/", read)).netloc == "here.example"
        assert read == text
