from __future__ import annotations

from pathlib import Path

import pytest

from tests.running import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Make a project with one app."""
    root = tmp_path / "project"
    root.mkdir()
    project = Project(root)
    project.app("well", manifest="title = 'All well'\nowner = 'team'\n[config]\nSIZE = 3\n")
    return project
