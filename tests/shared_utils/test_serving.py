from __future__ import annotations

import pytest

from shared_utils import serving


@pytest.fixture(autouse=True)
def served_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_serving", serving.Serving())


def test_a_command_is_one_process() -> None:
    assert serving.current().workers == 1


def test_the_server_says_how_many_there_are() -> None:
    serving.begin(workers=4, threads=512)
    assert serving.current() == serving.Serving(workers=4, threads=512)


def test_a_server_that_was_scaled_to_nothing_still_has_this_process() -> None:
    serving.begin(workers=0, threads=0)
    assert serving.current() == serving.Serving(workers=1, threads=1)
