"""The environment of processes that serve, as against that of development."""

from __future__ import annotations

import os
from pathlib import Path

from dotenv import dotenv_values


def enter_production(root: Path) -> None:
    """Go to the project's folder, and leave behind what is for the development server."""
    if operator := os.environ.get("ROWHOUSE_CONFIG"):
        os.environ["ROWHOUSE_CONFIG"] = str(Path(operator).resolve())
    os.chdir(root)
    # What .flaskenv says is for the development server: its FLASK_DEBUG must not come along.
    for variable, value in dotenv_values(root / ".flaskenv").items():
        if os.environ.get(variable) == value:
            del os.environ[variable]
    for variable in ("FLASK_RUN_FROM_CLI", "FLASK_RUN_EXTRA_FILES"):
        os.environ.pop(variable, None)
