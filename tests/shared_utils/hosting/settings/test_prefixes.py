from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_utils.hosting.settings import prefixes


@pytest.mark.parametrize("prefix", ["/", "/a", "/a/b", "/café", "/-a", "/a/-", "/a.b", "/a-b_c~d"])
def test_sound_prefixes(prefix: str) -> None:
    assert prefixes.problem(prefix) is None


@pytest.mark.parametrize(
    ("prefix", "found", "write"),
    [
        ("a", "no leading slash", 'write "/a"'),
        ("a/", "no leading slash", 'write "/a"'),
        ("/a/", "trailing slash", 'write "/a"'),
        ("//", "trailing slash", 'write "/name"'),
        ("/a//b", "empty or dotted", 'write "/a/b"'),
        ("//evil.example", "empty or dotted", 'write "/evil.example"'),
        ("/a/../b", "empty or dotted", 'write "/a/b"'),
        ("/..", "empty or dotted", 'write "/name"'),
        ("/-", "under /-", "another first segment"),
        ("/-/live", "under /-", "another first segment"),
        ("/a b", "character ' '", "plain"),
        ("/a%2Fb", "character '%'", "plain"),
        ("/a?b", "character '?'", "plain"),
        ("/a;b", "character ';'", "plain"),
        ("/<a>", "character '<'", "plain"),
        ("/a\nb", "character '\\n'", "plain"),
    ],
)
def test_unsound_prefixes(prefix: str, found: str, write: str) -> None:
    problem = prefixes.problem(prefix)
    assert problem is not None
    assert found in problem[0]
    assert write in problem[1]


@pytest.mark.parametrize("prefix", ["a", "a/", "/a/", "/-/", "//", "/a//b", "/./-", "//-//x", ""])
def test_what_it_says_to_write_is_sound_itself(prefix: str) -> None:
    problem = prefixes.problem(prefix)
    assert problem is not None
    if (write := problem[1]).startswith('write "'):
        advised = write.removeprefix('write "').removesuffix('"')
        assert prefixes.problem(advised) is None
        assert advised != "/"  # the operator's alone to give


@given(st.text(max_size=20))
def test_any_text_is_judged(prefix: str) -> None:
    if prefixes.problem(prefix) is None:
        assert prefix.startswith("/")
        assert prefix == "/" or not prefix.endswith("/")
        assert "//" not in prefix


@pytest.mark.parametrize(
    ("prefix", "script_name"),
    [("/", ""), ("/a", "/a"), ("/café", "/cafÃ©"), ("/日", "/æ\x97¥")],
)
def test_script_names_are_spelt_as_wsgi_spells_them(prefix: str, script_name: str) -> None:
    assert prefixes.script_name(prefix) == script_name
