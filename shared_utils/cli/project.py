"""The folder of the project that a command works on."""

from __future__ import annotations

from pathlib import Path

import click


def project_root(context: click.Context) -> Path:
    """Return the folder that the group of commands was made for, or where we are."""
    root = getattr(context.find_root().command, "root", None)
    return root if isinstance(root, Path) else Path.cwd()
