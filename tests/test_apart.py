"""Each app's tests pass while the other apps, and their tests, are not there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import REPOSITORY, clean_environment

APPS = sorted(
    manifest.parent.name
    for manifest in (REPOSITORY / "apps").glob("*/app.toml")
    if (REPOSITORY / "tests" / "apps" / manifest.parent.name).is_dir()
)


@pytest.mark.slow
@pytest.mark.parametrize("name", APPS)
def test_tests_of_an_app_need_no_neighbour(name: str, tmp_path: Path) -> None:
    root = tmp_path / "alone"
    neighbours = {each.name for each in (REPOSITORY / "apps").iterdir() if each.is_dir()} - {name}
    not_ours = shutil.ignore_patterns(".git", ".venv", ".*_cache", "instance", "__pycache__")

    def ignored(folder: str, names: list[str]) -> set[str]:
        return not_ours(folder, names) | (neighbours if Path(folder).name == "apps" else set())

    shutil.copytree(REPOSITORY, root, ignore=ignored)
    assert [path.parent.name for path in root.glob("apps/*/app.toml")] == [name]

    command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", f"tests/apps/{name}"]
    # Once for each, at the root: what neighbours have to do with it is the same under a prefix.
    command += ["-k", "not under"]
    ran = subprocess.run(
        command,
        cwd=root,
        env=clean_environment(),  # nothing leads back to the folder that has them all
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stdout[-5000:] + ran.stderr[-5000:]
