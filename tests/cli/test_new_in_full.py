"""What the README promises of ``rowhouse new``: all checks and all tests pass at once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import REPOSITORY, clean_environment


@pytest.mark.slow
def test_make_check_test_passes_with_a_new_app_of_each_layout(tmp_path: Path) -> None:
    root = tmp_path / "rowhouse"
    ignored = shutil.ignore_patterns(".venv", ".git", "instance", "__pycache__", ".*_cache")
    shutil.copytree(REPOSITORY, root, ignore=ignored)
    (root / ".venv").symlink_to(sys.prefix)

    def run(*command: str) -> None:
        result = subprocess.run(
            command,
            cwd=root,
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=1200,
        )
        assert result.returncode == 0, result.stdout[-5000:] + result.stderr[-5000:]

    run(sys.executable, "-m", "dispatcher", "new", "billing")
    run(sys.executable, "-m", "dispatcher", "new", "ledgers", "--layout", "division")
    # What looks at all apps; the rest was passed where this test runs, and knows nothing of them.
    tests = ["apps/billing", "apps/ledgers", "apps/home", "test_config.py", "test_dispatcher.py"]
    tests += ["test_docs.py", "test_imports.py"]
    named = " ".join(f"tests/{each}" for each in tests)
    run("make", "--old-file=.venv/.installed", "check", "test", f"TESTS={named}")
