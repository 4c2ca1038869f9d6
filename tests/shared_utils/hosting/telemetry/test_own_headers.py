from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_utils.hosting.known_headers import Known
from shared_utils.hosting.known_names import MOST, KnownNames
from shared_utils.hosting.telemetry import own_headers
from shared_utils.hosting.telemetry.own_headers import ID, SAFE_HEADERS, with_own
from shared_utils.hosting.telemetry.record import Record
from shared_utils.hosting.walls.soundness import Misuse, checked

HTML = ("Content-Type", "text/html")
NAMES = [ID, "Content-Type", "Content-Length", *(name for name, _ in SAFE_HEADERS)]


@pytest.fixture(autouse=True)
def no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_headers, "_plain", KnownNames())


def record(request_id: str = "12345678", known: Known | None = None) -> Record:
    made = Record(request_id)
    made.known = known
    return made


def known_of(headers: list[tuple[str, str]]) -> Known | None:
    return [checked("200 OK", headers) for _ in range(2)][-1][-1]


@given(
    headers=st.lists(
        st.tuples(
            st.sampled_from([*NAMES, *map(str.lower, NAMES)]), st.sampled_from(["1", " 23 ", "x"])
        ),
        max_size=4,
    ),
    request_ids=st.lists(st.text("abc", min_size=8, max_size=8), min_size=2, max_size=3),
)
def test_what_is_known_of_headers_makes_no_difference(
    headers: list[tuple[str, str]], request_ids: list[str]
) -> None:
    try:
        known = known_of(headers)
    except Misuse:
        return
    for request_id in request_ids:
        whole, length = with_own(list(headers), record(request_id, known))
        assert (whole, length) == with_own(list(headers), record(request_id))
        given = {name.lower() for name, _ in headers}
        host = [*SAFE_HEADERS, (ID, request_id)]
        assert whole == headers + [header for header in host if header[0].lower() not in given]
    assert known is None or known[0] == headers


def test_the_server_is_told_what_is_known_of_all_of_them() -> None:
    known = known_of([HTML, ("Content-Length", "3")])
    assert known is not None
    for request_id in ("12345678", "87654321"):
        request = record(request_id, known)
        whole, length = with_own([HTML, ("Content-Length", "3")], request)
        assert request.to_send == (whole, length, "3", known[3])
        whole.append(("X-Late", "1"))
        assert request.to_send[0] != whole


def test_headers_that_were_changed_on_their_way_are_not_the_known_ones() -> None:
    known = known_of([HTML, ("Content-Length", "3")])
    assert known is not None
    changed = [HTML, ("Content-Length", "5"), ("X-Frame-Options", "DENY")]
    for headers in (changed, known[0], known[0], changed):
        request = record(known=known)
        whole, length = with_own(list(headers), request)
        if headers is changed:
            assert (whole[:3], length) == (changed, 5)
            assert [name for name, _ in whole].count("X-Frame-Options") == 1
            assert request.to_send is None
        else:
            assert (whole[2:-1], length) == ([*SAFE_HEADERS], 3)


def test_an_app_that_gives_the_id_gives_it_each_time() -> None:
    known = known_of([("x-request-id", "of the app")])
    for _ in range(3):
        request = record(known=known)
        whole, _ = with_own([("x-request-id", "of the app")], request)
        assert whole == [("x-request-id", "of the app"), *SAFE_HEADERS]
        assert request.to_send is None


def test_names_need_a_second_look_no_more_than_once() -> None:
    for number in range(MOST):  # so that there is no room for others
        with_own([(f"X-{number}", "1")], record())
    with_own([("Content-Length", "2")], record())
    with_own([(ID, "2"), ("content-length", "2")], record())
    assert "Content-Length" in own_headers._plain
    assert own_headers._plain.isdisjoint([ID, "content-length"])
