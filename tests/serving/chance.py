"""What is at random in a test, and can be repeated."""

from __future__ import annotations

import os
import secrets


def seed() -> int:
    """Return another seed at each call, or ``TEST_SEED``; pytest shows it where the test fails."""
    made = int(os.environ.get("TEST_SEED") or secrets.randbelow(10**6))
    print(f"to repeat it: TEST_SEED={made}")
    return made
