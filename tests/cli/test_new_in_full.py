"""What the README promises of ``rowhouse new``: all checks and all tests pass at once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import REPOSITORY


@pytest.mark.slow
def test_make_check_test_passes_with_a_new_app_of_each_layout(tmp_path: Path) -> None:
    root = tmp_path / "rowhouse"
    ignored = shutil.ignore_patterns(".venv", ".git", "instance", "__pycache__", ".*_cache")
    shutil.copytree(REPOSITORY, root, ignore=ignored)
    (root / ".venv").symlink_to(sys.prefix)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "PYTEST"))}

    def run(*command: str) -> None:
        result = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, timeout=1200
        )
        assert result.returncode == 0, result.stdout[-5000:] + result.stderr[-5000:]

    run(sys.executable, "-m", "dispatcher", "new", "billing")
    run(sys.executable, "-m", "dispatcher", "new", "ledgers", "--layout", "division")
    run("make", "--old-file=.venv/.installed", "check", "test")
