from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from shared_utils import health


def test_checks_are_those_that_were_asked_for() -> None:
    app = Flask("shop")
    assert health.checks_of(app) == []
    health.check(app, "database", print, every=60)
    health.check(app, "queue", print)
    health.check(app, "queue", repr, timeout=1)  # type: ignore[arg-type]
    assert [(c.name, c.every, c.timeout) for c in health.checks_of(app)] == [
        ("database", 60, health.TIMEOUT),
        ("queue", health.EVERY, 1),
    ]


@pytest.mark.parametrize(
    "wrong", [{"every": 0}, {"timeout": -1}, {"every": float("inf")}, {"name": ""}]
)
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"write|say"):
        health.check(Flask("shop"), wrong.pop("name", "x"), print, **wrong)
