"""What a mount may be called."""

from __future__ import annotations

import re

NAME = re.compile(r"[a-z][a-z0-9_]*")


def fault(name: str) -> tuple[str, str] | None:
    """Return what is wrong with a mount's name and what to write, or None where nothing is.

    ``config`` would share ``instance/config.py``, and what begins with ``rowhouse`` would take the
    host's own variables, ``ROWHOUSE_SECRET_KEY`` first of all, for its config.
    """
    if not NAME.fullmatch(name):
        return f'"{name}" is not a name of a mount', "write lower-case letters, digits and _"
    if name in ("config", "rowhouse") or name.startswith("rowhouse_"):
        return f'"{name}" is a name the host keeps for itself', "write another name"
    return None


def title(name: str) -> str:
    """Return the name for people of a mount that has not said one."""
    return name.replace("_", " ").capitalize()
