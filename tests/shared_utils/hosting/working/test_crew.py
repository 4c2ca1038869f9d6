from __future__ import annotations

import pytest

from shared_utils.hosting.working.crew import Crew
from tests.conftest import ProjectFolder


@pytest.fixture
def folder(project: ProjectFolder) -> ProjectFolder:
    for name, file in (("flat", "tasks.py"), ("deep", "imports/tasks.py"), ("none", "views.py")):
        project.manifest(name)
        path = project.root / "apps" / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("raise RuntimeError('it is not imported')")
    return project


def test_an_app_with_a_tasks_module_is_worked_for(folder: ProjectFolder) -> None:
    assert Crew(folder.settings()).names == ["deep", "flat"]
    assert Crew(folder.settings(ROWHOUSE_ONLY="flat,none")).names == ["flat"]


def test_apps_from_elsewhere_too(project: ProjectFolder) -> None:
    package = project.modules.package({"tasks.py": "raise RuntimeError"})
    single = project.modules.write("raise RuntimeError")
    project.operator(f"""
        [mounts.wiki]
        app = "{package}.web:application"
        [mounts.single]
        app = "{single}:application"
        [mounts.missing]
        app = "no_such_package_at_all:application"
        """)
    assert Crew(project.settings()).names == ["wiki"]


def test_one_that_is_down_or_closed_rests(folder: ProjectFolder) -> None:
    crew = Crew(folder.settings())
    assert not crew.rests("flat")
    crew.down.add("flat")
    assert crew.rests("flat")
    crew.down.discard("flat")
    folder.instance("maintenance/flat", "Back at noon")
    closed = Crew(folder.settings())
    assert closed.rests("flat")
    assert not closed.rests("deep")
