from __future__ import annotations

import pytest

from tests.shared_utils.look.conftest import Rendered


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("up", "Up"),
        ("lazy", "Starts on first visit"),
        ("starting", "Starting"),
        ("down", "Down"),
        ("maintenance", "Maintenance"),
        ("<new>", "&lt;new&gt;"),
    ],
)
def test_a_state_is_said_in_words(render: Rendered, state: str, words: str) -> None:
    assert render("{{ state | state_label }}", state=state) == words
