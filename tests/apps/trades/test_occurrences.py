"""Counting equal rows, on disk."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from apps.trades.imports.occurrences import Occurrences


def test_equal_texts_are_counted() -> None:
    with Occurrences() as seen:
        assert seen.count(["a", "b", "a", "", "a", ""]) == [1, 1, 2, 1, 3, 2]
        assert seen.count(["a", "c"]) == [4, 1]
        assert seen.count([]) == []


def test_more_than_one_query_takes() -> None:
    texts = [str(number) for number in range(1200)]
    with Occurrences() as seen:
        assert seen.count(texts) == [1] * 1200
        assert seen.count(texts) == [2] * 1200


def test_each_begins_anew() -> None:
    with Occurrences() as one, Occurrences() as other:
        assert one.count(["a"]) == other.count(["a"]) == [1]


@given(st.lists(st.lists(st.sampled_from("abcde"), max_size=9), max_size=9))
def test_batches_do_not_matter(batches: list[list[str]]) -> None:
    expected: Counter[str] = Counter()
    with Occurrences() as seen:
        for batch in batches:
            for text, number in zip(batch, seen.count(batch), strict=True):
                expected[text] += 1
                assert number == expected[text]
