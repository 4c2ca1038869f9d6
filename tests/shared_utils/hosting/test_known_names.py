from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared_utils.hosting.known_names import LONGEST, MOST, KnownNames


@given(st.lists(st.text(max_size=2 * LONGEST), max_size=20), st.integers(0, 2 * MOST))
def test_they_are_few_and_short(names: list[str], others: int) -> None:
    known = KnownNames()
    for name in [*map(str, range(others)), *names]:
        known.learn(name)
        assert (name in known) == (len(name) <= LONGEST)
    assert len(known) <= MOST
    assert all(len(name) <= LONGEST for name in known)


def test_text_of_another_class_is_not_kept() -> None:
    class Text(str):
        pass

    known = KnownNames()
    known.learn(Text("X-Known"))
    known.learn(b"X-Bytes")
    assert known == set()
