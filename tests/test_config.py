from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask

import config
from shared_utils.hosting.building import Site, build
from shared_utils.hosting.keys import derived_key
from shared_utils.sibling import sibling_of

if TYPE_CHECKING:
    from tests.conftest import ProjectFolder


@pytest.fixture(autouse=True)
def here(project: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "ROOT", project.root)


FACTORY = """
    from flask import Flask
    from config import configure_app

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)
        return app
"""


def alone(name: str, overrides: dict[str, Any] | None = None) -> Flask:
    """Make an app as it is made when it is served alone, in a folder of this name."""
    app = Flask(f"rowtest_nowhere.{name}", root_path="/")
    config.configure_app(app, overrides)
    return app


def mounted(project: ProjectFolder, name: str, manifest: str = "") -> Flask:
    project.app(name, FACTORY, manifest)
    settings = config.load_settings()
    mount = settings.find(name)
    assert mount is not None
    app = build(Site(mount=mount, settings=settings, row={}))
    assert isinstance(app, Flask)
    return app


# load_settings


def test_without_an_operator_file_there_are_defaults() -> None:
    assert config.load_settings(environ={}).host.threads == 512


def test_the_operator_file_lies_beside_config(project: ProjectFolder) -> None:
    project.operator("[host]\nslots = 3\n")
    assert config.load_settings(environ={}).host.slots == 3


def test_the_environment_names_another(project: ProjectFolder, tmp_path: Path) -> None:
    project.operator("[host]\nslots = 3\n")
    other = tmp_path / "other.toml"
    other.write_text("[host]\nslots = 4\n")
    assert config.load_settings(environ={"ROWHOUSE_CONFIG": str(other)}).host.slots == 4
    third = tmp_path / "third.toml"
    third.write_text("[host]\nslots = 5\n")
    found = config.load_settings(third, {"ROWHOUSE_CONFIG": str(other)})
    assert found.host.slots == 5


def test_one_that_was_named_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match="no such file"):
        config.load_settings(environ={"ROWHOUSE_CONFIG": str(tmp_path / "none.toml")})


def test_a_mistake_of_the_operator_raises_and_one_of_a_team_does_not(
    project: ProjectFolder,
) -> None:
    project.manifest("trades", "titel = 1\n")
    mount = config.load_settings(environ={}).find("trades")
    assert mount is not None
    assert mount.mistakes
    project.operator("hots = 1\n")
    with pytest.raises(config.ConfigError, match=r"(?s)hots.*titel"):
        config.load_settings(environ={})


# configure_app


@pytest.mark.parametrize("is_mounted", [True, False], ids=["mounted", "alone"])
def test_the_layers_come_in_order(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch, is_mounted: bool
) -> None:
    monkeypatch.setattr(config.Config, "L1", 1, raising=False)
    keys = ["L1", "L2", "L3", "L4", "L5", "L6"]
    for key in keys:
        monkeypatch.setattr(config.Config, key, 1, raising=False)
    manifest = "[config]\n" + "".join(f"{key} = 2\n" for key in keys[1:])
    project.operator("[mounts.trades.config]\n" + "".join(f"{key} = 3\n" for key in keys[2:]))
    project.instance("config.py", "".join(f"{key} = 4\n" for key in keys[3:]))
    project.instance("trades.py", "".join(f"{key} = 5\n" for key in keys[4:]))
    monkeypatch.setenv("TRADES_L6", "6")
    if is_mounted:
        app = mounted(project, "trades", manifest)
    else:
        project.manifest("trades", manifest)
        app = alone("trades", {"L7": 7})
    assert [app.config[key] for key in keys] == [1, 2, 3, 4, 5, 6]
    origins = sibling_of(app).origins
    assert [origins[key] for key in keys] == [
        "config.Config",
        "apps/trades/app.toml [config]",
        "rowhouse.toml [mounts.trades.config]",
        "instance/config.py",
        "instance/trades.py",
        "environment TRADES_L6",
    ]
    if not is_mounted:
        assert (app.config["L7"], origins["L7"]) == (7, "overrides")


def test_overrides_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADES_A", "6")
    assert alone("trades", {"A": 7}).config["A"] == 7


def test_nested_keys_of_the_environment(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.manifest("trades", "[config.DB]\npool = 1\nname = 'x'\n")
    monkeypatch.setenv("TRADES_DB__pool", "2")
    monkeypatch.setenv("TRADES_DB__more__deep", "[3]")
    assert alone("trades").config["DB"] == {"pool": 2, "name": "x", "more": {"deep": [3]}}


def test_of_two_names_the_longer_wins(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.manifest("trades")
    project.manifest("trades_eu")
    monkeypatch.setenv("TRADES_EU_SIZE", "5")
    assert alone("trades_eu").config["SIZE"] == 5
    assert "EU_SIZE" not in alone("trades").config


def test_secrets_stay_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADES_SECRET_KEY", "123456")
    monkeypatch.setenv("TRADES_API_TOKEN", "1e5")
    app = alone("trades")
    assert (app.config["SECRET_KEY"], app.config["API_TOKEN"]) == ("123456", "1e5")


def test_the_defaults_suit_one_origin() -> None:
    app = alone("trades")
    assert app.config["SESSION_COOKIE_SAMESITE"] == "Lax"
    assert app.config["SESSION_COOKIE_HTTPONLY"] is True


def test_what_is_derived_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROWHOUSE_SECRET_KEY", "root")
    app = alone("trades")
    assert app.config["SECRET_KEY"] == derived_key("root", "trades")
    assert app.config["SESSION_COOKIE_NAME"] == "trades_session"
    assert app.config["APPLICATION_ROOT"] == "/"
    assert app.config["SECRET_KEY_FALLBACKS"] is None


def test_what_is_derived_when_mounted(project: ProjectFolder) -> None:
    app = mounted(project, "trades", 'prefix = "/deals"\n')
    assert app.config["APPLICATION_ROOT"] == "/deals"
    assert app.config["SESSION_COOKIE_NAME"] == "trades_session"


def test_a_key_is_the_same_alone_and_mounted(project: ProjectFolder) -> None:
    key = mounted(project, "trades").config["SECRET_KEY"]
    assert alone("trades").config["SECRET_KEY"] == key


def test_a_root_key_can_be_rotated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROWHOUSE_SECRET_KEY", "new")
    monkeypatch.setenv("ROWHOUSE_SECRET_KEY_FALLBACKS", "old,older")
    found = alone("trades").config
    assert found["SECRET_KEY"] == derived_key("new", "trades")
    assert found["SECRET_KEY_FALLBACKS"] == [
        derived_key("old", "trades"),
        derived_key("older", "trades"),
    ]


def test_no_config_holds_the_root_key_or_a_neighbours(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROWHOUSE_SECRET_KEY", "marker-root")
    monkeypatch.setenv("ROWHOUSE_SECRET_KEY_FALLBACKS", "marker-old")
    monkeypatch.setenv("HOME_API_TOKEN", "marker-environment")
    project.instance("home.py", "X = 'marker-instance'\n")
    project.manifest("home", "[config]\nY = 'marker-manifest'\n")
    project.operator("[mounts.home.config]\nZ = 'marker-operator'\n")
    assert "marker" not in repr(dict(alone("trades").config))
    assert "marker-instance" in repr(dict(alone("home").config))


@pytest.mark.parametrize("name", ["trades", "home"])
def test_a_key_for_all_is_an_error(project: ProjectFolder, name: str) -> None:
    project.instance("config.py", "SECRET_KEY = 'marker'\n")
    with pytest.raises(config.ConfigError, match="one key") as caught:
        alone(name)
    assert "marker" not in str(caught.value)


def test_a_key_of_its_own_is_none(project: ProjectFolder) -> None:
    project.instance("trades.py", "SECRET_KEY = 'mine'\n")
    assert alone("trades").config["SECRET_KEY"] == "mine"


@pytest.mark.parametrize(
    "manifest",
    ["titel = 1\n", "= 1\n", 'prefix = "/trades"\n', "x = " + "[" * 5000],
    ids=["unknown", "syntax", "contest", "deep"],
)
def test_an_app_alone_does_not_mind_a_neighbours_manifest(
    project: ProjectFolder, manifest: str
) -> None:
    project.manifest("neighbour", manifest)
    project.manifest("trades")
    assert alone("trades").config["APPLICATION_ROOT"] == "/"


def test_an_app_alone_minds_its_own(project: ProjectFolder) -> None:
    project.manifest("trades", "titel = 1\n")
    with pytest.raises(config.ConfigError, match="titel"):
        alone("trades")


def test_an_app_alone_does_not_mind_that_its_prefix_is_taken(project: ProjectFolder) -> None:
    project.manifest("other", 'prefix = "/x"\n')
    project.manifest("trades", 'prefix = "/x"\n')
    project.operator("[mounts.trades]\nenabled = false\n")
    assert sibling_of(alone("trades")).prefix == "/"


@pytest.mark.parametrize(
    ("import_name", "name"),
    [
        ("apps.rowtest_x", "rowtest_x"),
        ("apps.rowtest_x.web", "rowtest_x"),
        ("elsewhere.shop", "shop"),
        ("shop", "shop"),
    ],
)
def test_an_app_alone_is_known_by_its_folder(import_name: str, name: str) -> None:
    app = Flask(import_name, root_path="/")
    config.configure_app(app)
    assert sibling_of(app).name == name


def test_an_app_alone_answers_that_it_is_live() -> None:
    response = alone("trades").test_client().get("/-/live")
    assert (response.status_code, response.text) == (200, "live\n")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Request-ID"]


def test_a_file_of_an_app_that_cannot_be_run_is_an_error(project: ProjectFolder) -> None:
    project.instance("trades.py", "raise ValueError('marker')\n")
    with pytest.raises(config.ConfigError, match=r"instance/trades.py:1") as caught:
        alone("trades")
    assert "marker" not in str(caught.value)


def test_mount_url_is_there_in_templates() -> None:
    app = alone("trades")
    app.add_url_rule("/x", "x")
    with app.test_request_context():
        from flask import render_template_string

        assert render_template_string("{{ mount_url('trades') }}") == "/"
        assert render_template_string("{{ mount_url('home') }}") == "None"
