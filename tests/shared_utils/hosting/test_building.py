from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from flask import Flask

from shared_utils.hosting.building import BuildError, Site, build, site_being_built
from shared_utils.hosting.settings.mistakes import ConfigError
from shared_utils.sibling import sibling_of

if TYPE_CHECKING:
    from tests.conftest import ProjectFolder


def site(project: ProjectFolder, source: str, attribute: str = "create_app()") -> Site:
    module = project.modules.write(source)
    project.manifest("trades", f'app = "{module}:{attribute}"\n')
    settings = project.settings()
    return Site(mount=settings.mounts[0], settings=settings, row={})


def test_a_factory_is_called_on_its_site(project: ProjectFolder, greeter: str) -> None:
    app = build(site(project, greeter))
    assert isinstance(app, Flask)
    assert sibling_of(app).name == "trades"
    assert sibling_of(app).prefix == "/trades"
    assert site_being_built() is None


@pytest.mark.parametrize(
    ("source", "attribute", "message"),
    [
        pytest.param("", "create_app()", "Failed to find attribute 'create_app'", id="missing"),
        pytest.param("app = None\n", "app", "gave no WSGI application", id="none"),
        pytest.param("def f(): return 5\n", "f()", "gave no WSGI application", id="not-callable"),
        pytest.param("def f(a): return a\n", "f()", "missing 1 required", id="arguments"),
    ],
)
def test_what_cannot_be_served(
    project: ProjectFolder, source: str, attribute: str, message: str
) -> None:
    with pytest.raises(BuildError, match=message):
        build(site(project, source, attribute))


@pytest.mark.parametrize(
    ("source", "error"),
    [
        pytest.param("import rowtest_no_such_module\n", ModuleNotFoundError, id="import"),
        pytest.param("def create_app(:\n", SyntaxError, id="syntax"),
        pytest.param("raise SystemExit(3)\n", SystemExit, id="exit"),
        pytest.param("def create_app(): len(5)\n", TypeError, id="type"),
    ],
)
def test_what_an_app_raises_is_raised(
    project: ProjectFolder, source: str, error: type[BaseException]
) -> None:
    with pytest.raises(error):
        build(site(project, source))
    assert site_being_built() is None


def test_a_mount_with_mistakes_is_not_even_imported(project: ProjectFolder) -> None:
    module = project.modules.write("raise SystemExit\n")
    project.manifest("trades", f'app = "{module}:app"\ntitel = 1\n')
    settings = project.settings()
    with pytest.raises(ConfigError, match="titel"):
        build(Site(mount=settings.mounts[0], settings=settings, row={}))


def test_an_app_that_never_heard_of_rowhouse_is_adopted(project: ProjectFolder) -> None:
    app = build(site(project, "from flask import Flask\napp = Flask(__name__)\n", "app"))
    assert isinstance(app, Flask)
    assert app.config["APPLICATION_ROOT"] == "/trades"
    assert app.config["SESSION_COOKIE_NAME"] == "trades_session"
    assert sibling_of(app).name == "trades"


def test_one_app_is_not_served_by_two_mounts_unsaid(project: ProjectFolder) -> None:
    """Its config, links and cookies can be right under one prefix only."""
    module = project.modules.write("from flask import Flask\napp = Flask(__name__)\n")
    for name in ("alpha", "beta"):
        project.manifest(name, f'app = "{module}:app"\n')
    settings = project.settings()
    alpha, beta = (Site(mount=mount, settings=settings, row={}) for mount in settings.mounts)
    build(alpha)
    with pytest.raises(BuildError):
        build(beta)


def test_an_app_may_have_an_endpoint_called_live(project: ProjectFolder, greeter: str) -> None:
    source = greeter.replace("def index():", "def live():")
    app = build(site(project, source))
    assert isinstance(app, Flask)
    assert app.test_client().get("/").text == "trades"
    assert app.test_client().get("/-/live").text == "live\n"
