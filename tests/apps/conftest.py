"""What tests of every app may use."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from io import BytesIO

import pytest
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache


class Compiled(BytecodeCache):
    """Templates that are compiled once in a process, not for each app that a test makes."""

    def __init__(self) -> None:
        self._code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if code := self._code.get(bucket.key):
            bucket.load_bytecode(BytesIO(code))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._code[bucket.key] = bucket.bytecode_to_string()


@pytest.fixture(scope="session", autouse=True)
def _compiled_templates() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Flask.jinja_options, "bytecode_cache", Compiled())
        yield


@pytest.fixture(
    params=[("", "sqlite"), ("/north/app", "sqlite"), ("/north/app", "postgresql")],
    ids=["at the root on sqlite", "under a prefix on sqlite", "under a prefix on postgresql"],
)
def served(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Give a prefix and a kind of database."""
    how: tuple[str, str] = request.param
    return how


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Collect no garbage meanwhile: where a test goes down to the end of the stack.

    There the finalizers of whatever tests before it have left behind would have no room, and their
    errors would be this test's.
    """
    gc.disable()
    yield
    gc.enable()
