from __future__ import annotations

from typing import Any, ClassVar

import pytest

from shared_utils.hosting.walls import soundness
from shared_utils.hosting.walls.soundness import Misuse, checked


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundness, "_known", {})


class Curious(str):
    """A text of an app's own class, which would like to see what its neighbours send."""

    __hash__ = str.__hash__
    seen: ClassVar[list[object]] = []

    def __eq__(self, other: object) -> bool:
        self.seen.append(other)
        return str.__eq__(self, other)


def test_headers_that_come_again_are_known() -> None:
    headers = [("Content-Length", "3"), ("Set-Cookie", "a=b")]
    for comes_again in (False, True, True):
        sound = checked("200 OK", headers)
        assert sound.comes_again is comes_again
        assert (sound.headers, sound.length, sound.has_cookies) == (headers, 3, True)
        assert list(soundness._known.values()) == [sound]
    assert len(soundness._known) == 1


def test_headers_of_another_status_are_others() -> None:
    headers = [("Content-Length", "3")]
    assert checked("200 OK", headers) is not checked("204 No Content", headers)


def test_what_is_unsound_is_refused_each_time() -> None:
    for _ in range(2):
        with pytest.raises(Misuse, match="characters that no header may have"):
            checked("200 OK", [("X-One", "1\r\nX-Two: 2")])
    assert soundness._known == {}


@pytest.mark.parametrize("value", [1, True, b"1", None, ["1"]])
def test_what_equals_a_sound_header_and_is_no_text_is_refused(value: Any) -> None:
    checked("200 OK", [("X-One", "1")])
    with pytest.raises(Misuse):
        checked("200 OK", [("X-One", value)])


def test_no_text_of_an_apps_own_class_is_kept() -> None:
    for _ in range(2):
        assert not checked("200 OK", [("X-One", Curious("1"))]).comes_again
    Curious.seen.clear()
    checked("200 OK", [("X-One", "1")])
    assert Curious.seen == []


def test_large_headers_are_not_kept_and_not_too_many() -> None:
    large = checked("200 OK", [("X-One", "x" * 3000)])
    assert (large.length, large.has_cookies, large.comes_again) == (None, False, False)
    assert soundness._known == {}
    for number in range(600):
        checked("200 OK", [("X-One", str(number))])
    assert len(soundness._known) <= 256


@pytest.mark.parametrize("value", ["9" * 5000, "-1", "1.0", ""])
def test_a_length_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(Misuse, match="write a number of bytes"):
        checked("200 OK", [("Content-Length", value)])
