"""What names and passwords may look like."""

from __future__ import annotations

NAME_PATTERN = r"[a-z][a-z0-9._-]{1,31}"
"""ASCII alone: names that look the same are the same."""
NAME_HINT = "2 to 32 small letters, digits, dots, hyphens and underscores, a letter first."

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 256
"""Characters. Long ones are welcome, rules about their kinds are not (NIST SP 800-63B, 3.1.1.2)."""

COMMON_PASSWORDS = frozenset(
    {
        "0123456789",
        "1234567890",
        "12345678910",
        "123456789a",
        "1q2w3e4r5t",
        "1qaz2wsx3edc",
        "9876543210",
        "abc1234567",
        "administrator",
        "changeme123",
        "helloworld",
        "iloveyou12",
        "letmein123",
        "passw0rd12",
        "password10",
        "password12",
        "password123",
        "password1234",
        "password12345",
        "q1w2e3r4t5",
        "qwerty1234",
        "qwerty12345",
        "qwertyuiop",
        "welcome123",
        "welcome1234",
    }
)
"""The first that anybody would try, of those that are long enough."""
