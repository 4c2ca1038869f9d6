from __future__ import annotations

import collections
from collections.abc import Callable
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


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("X-One", "1")],
        [("Content-Length", "3")],
        [("X-One", "1"), ("Content-Length", "3"), ("X-Two", "2")],
    ],
    ids=lambda headers: " ".join(name for name, _ in headers) or "none",
)
def test_headers_that_come_again_are_known(headers: list[tuple[str, str]]) -> None:
    length = 3 if ("Content-Length", "3") in headers else None
    assert checked("200 OK", headers) == ("200 OK", headers, length, False, None)
    [outline] = soundness._known.values()
    for _ in range(2):
        _, passed_on, *others, known = checked("200 OK", headers)
        assert (passed_on, *others) == (headers, length, False)
        assert known == (headers, length, "3" if length else "", outline)
        assert passed_on is not known[0]  # whoever changes it is noticed
    assert outline.has_length == bool(length)


def test_the_number_is_another_each_time() -> None:
    for number in ("1", "0", "007", "999999999999999999"):
        headers = [("X-One", "1"), ("Content-Length", number), ("X-Two", "2")]
        assert checked("200 OK", headers)[1:3] == (headers, int(number))
    assert len(soundness._known) == 1


@pytest.mark.parametrize(
    ("number", "length"),
    [
        (" 5\t", 5),
        (Curious("5"), 5),
        ("9" * 19, None),
        ("-1", None),
        ("\u0665", None),
        ("", None),
        (5, None),
        (b"5", None),
    ],
)
def test_an_unusual_number_is_looked_at(number: Any, length: int | None) -> None:
    for _ in range(2):
        checked("200 OK", [("Content-Length", "3")])
    if length is None:
        with pytest.raises(Misuse):
            checked("200 OK", [("Content-Length", number)])
    else:
        _, [(_, passed_on)], found, _, known = checked("200 OK", [("Content-Length", number)])
        assert (type(passed_on), found, known) == (str, length, None)


def test_headers_of_another_status_or_without_a_length_are_others() -> None:
    for _ in range(2):
        kinds = [
            checked("200 OK", [("X-One", "1"), ("Content-Length", "3")]),
            checked("201 Created", [("X-One", "1"), ("Content-Length", "3")]),
            checked("200 OK", [("X-One", "1")]),
            checked("200 OK", [("Content-Length", "3"), ("X-One", "1")]),
        ]
    assert len({id(known[3]) for *_, known in kinds if known is not None}) == 4


@pytest.mark.parametrize(
    "headers",
    [
        [("Set-Cookie", "a=b")],
        [("Content-Length", "3"), ("content-length", "3")],
        [("content-length", "3")],
        [("X-One", "x" * 3000)],
        [("a", "")] * 40,
        [["X-One", "1"]],
    ],
    ids=["cookies", "two lengths", "a length in small letters", "large", "many", "no tuple"],
)
def test_some_headers_are_looked_at_each_time(headers: Any) -> None:
    for _ in range(3):
        _, passed_on, length, has_cookies, known = checked("200 OK", headers)
        assert passed_on == [tuple(pair) for pair in headers]
        assert length == (3 if "3" in headers[0] else None)
        assert has_cookies == ("Set-Cookie" in headers[0])
        assert known is None
    assert soundness._known == {}


class Shifting(tuple[str, str]):
    """Equals a harmless header, and is another one from the second look on."""

    __hash__ = tuple.__hash__

    def __iter__(self) -> Any:
        looks = self.__dict__["looks"] = self.__dict__.get("looks", 0) + 1
        return tuple.__iter__(self) if looks < 2 else iter(("Location", "https://evil/"))


class AnyType(type):
    """Says of its classes that they are whichever is asked for."""

    def __eq__(cls, other: object) -> bool:
        return True

    def __hash__(cls) -> int:
        return hash(str)


class Posing(str, metaclass=AnyType):
    __hash__ = str.__hash__

    def __str__(self) -> str:
        return "evil"

    strip = lower = __str__  # type: ignore[assignment]


HTML = ("Content-Type", "text/html")


@pytest.mark.parametrize(
    "own",
    [
        lambda: Shifting(HTML),
        lambda: (Posing(HTML[0]), Posing(HTML[1])),
        lambda: [Posing(HTML[0]), Curious(HTML[1])],
        lambda: collections.UserList(HTML),
    ],
    ids=["a tuple that changes", "texts of any type", "a list", "no tuple and no list"],
)
def test_what_is_passed_on_is_what_was_checked(own: Callable[[], Any]) -> None:
    """Nothing of an app's classes leaves, and nothing of them is kept."""
    for _ in range(3):
        header = own()
        _, passed_on, *_, known = checked("200 OK", [header])
        assert type(header) is Shifting or passed_on == [HTML]
        assert {type(text) is str for pair in passed_on for text in pair} == {True}
        assert known is None
    assert soundness._known == {}
    for _ in range(3):
        assert checked("200 OK", [HTML])[1] == [HTML]


def test_a_status_of_an_apps_own_class_is_what_it_holds() -> None:
    status, *_ = checked(Posing("200 OK"), [HTML])
    assert (status, type(status) is str) == ("200 OK", True)
    with pytest.raises(Misuse, match="its status is"):
        checked(Posing("200 OK\r\nX-Evil: 1"), [HTML])


@pytest.mark.parametrize("header", [("a:b",), ("c", "d", "e"), ("a:b", "c"), (), "a"])
def test_what_is_no_pair_is_refused_each_time(header: Any) -> None:
    for _ in range(3):
        with pytest.raises(Misuse):
            checked("200 OK", [("Content-Length", "2"), header])
    assert soundness._known == {}


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
        assert checked("200 OK", [("X-One", Curious("1"))])[-1] is None
    Curious.seen.clear()
    checked("200 OK", [("X-One", "1")])
    assert Curious.seen == []


def test_a_text_of_an_apps_own_class_does_not_take_the_place_of_a_known_one() -> None:
    for _ in range(2):
        checked("200 OK", [("X-One", "1"), ("Content-Length", "3")])
    own: list[tuple[str, str]] = [
        (Curious("X-One"), Curious("1")),
        (Curious("Content-Length"), "3"),
    ]
    _, passed_on, *_ = checked("200 OK", own)
    assert {type(text) for pair in passed_on for text in pair} == {str}


def test_not_too_many_are_kept() -> None:
    for number in range(600):
        checked("200 OK", [("X-One", str(number))])
    assert len(soundness._known) <= 256


@pytest.mark.parametrize("value", ["9" * 5000, "-1", "1.0", ""])
def test_a_length_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(Misuse, match="write a number of bytes"):
        checked("200 OK", [("Content-Length", value)])
