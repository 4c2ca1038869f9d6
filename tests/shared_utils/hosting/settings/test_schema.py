from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from shared_utils.hosting.settings.names import NAME
from shared_utils.hosting.settings.schema import (
    OPERATOR_ONLY,
    Host,
    Limits,
    Manifest,
    OperatorFile,
    OperatorMount,
    shows,
)


def test_the_defaults_are_those_of_the_design() -> None:
    assert Limits().model_dump() == {
        "max_running": None,
        "max_threads": None,
        "queue_timeout": 5.0,
        "deadline": 30.0,
        "stream_deadline": 0.0,
        "startup_timeout": 30.0,
        "max_body": 16777216,
    }


def test_what_only_the_operator_may_set() -> None:
    assert OPERATOR_ONLY == ("enabled", "identity", "required")


@pytest.mark.parametrize(
    "target",
    ["m:app", "m.n:create_app()", "m:create_app('a', b=[1, {'c': None}])", "_m:x", "café:app"],
)
def test_sound_targets(target: str) -> None:
    assert Manifest(app=target).app == target


@pytest.mark.parametrize(
    "target",
    [
        "m",
        ":app",
        "m:",
        "m.:app",
        ".m:app",
        "1m:app",
        "m:a.b",
        "m:a.b()",
        "m:a()()",
        "m:a(b)",
        "m:a(*[1])",
        "m:a[0]",
        "m:a; b",
        "m:lambda: 0",
        "m n:app",
        "m:a b",
    ],
)
def test_unsound_targets(target: str) -> None:
    with pytest.raises(ValidationError, match="does not name an application"):
        Manifest(app=target)


def test_a_target_whose_arguments_python_cannot_make_is_unsound() -> None:
    with pytest.raises(ValidationError, match="does not name an application"):
        Manifest(app="m:f({[]: 1})")


@pytest.mark.parametrize("key", ["SECRET_KEY", "SECRET_KEY_FALLBACKS", "APPLICATION_ROOT", "low"])
def test_keys_that_config_may_not_have(key: str) -> None:
    with pytest.raises(ValidationError):
        Manifest(config={key: "x"})


@pytest.mark.parametrize(
    ("key", "value", "ceiling", "above"),
    [
        ("deadline", 31.0, 30.0, True),
        ("deadline", 30.0, 30.0, False),
        ("deadline", 0.0, 30.0, True),
        ("deadline", 90.0, 0.0, False),
        ("deadline", 0.0, 0.0, False),
        ("stream_deadline", 0.0, 9.0, True),
        ("queue_timeout", 0.0, 5.0, False),
        ("max_body", 0, 5, False),
        ("max_running", 9, 8, True),
        ("max_running", 9, None, False),
        ("max_running", None, 8, True),
    ],
)
def test_a_limit_that_is_switched_off_has_no_end(
    key: str, value: float | None, ceiling: float | None, above: bool
) -> None:
    assert (
        Limits.model_validate({key: value}).above(key, Limits.model_validate({key: ceiling}))
        is above
    )


@pytest.mark.parametrize("name", ["a", "trades", "a1_b", "a_"])
def test_names(name: str) -> None:
    assert NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["", "A", "1a", "_a", "a-b", "é", "a\n", "a.b"])
def test_what_is_no_name(name: str) -> None:
    assert not NAME.fullmatch(name)


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("title", True),
        ("limits.deadline", True),
        ("config", False),
        ("mounts.a.config.X", False),
        ("mounts.a.api_token", False),
    ],
)
def test_which_values_a_message_may_show(key: str, shown: bool) -> None:
    assert shows(key) is shown


@pytest.mark.parametrize("model", [Host, Limits, Manifest, OperatorFile, OperatorMount])
def test_every_setting_is_described(model: type[BaseModel]) -> None:
    assert {name for name, field in model.model_fields.items() if not field.description} == set()
