from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask

from shared_utils.hosting import layers
from shared_utils.hosting.building import Site, adopt
from shared_utils.hosting.keys import derived_key
from shared_utils.hosting.layers import Layered
from shared_utils.hosting.settings.mistakes import ConfigError
from shared_utils.hosting.settings.mounts import Settings

if TYPE_CHECKING:
    from tests.conftest import ProjectFolder


def of_environment(environ: dict[str, str], name: str = "trades", **held: Any) -> dict[str, Any]:
    config = Layered(values=dict(held))
    config.lay_environment(name, ["trades", "trades_eu", "trade", "home"], environ)
    return config.values


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        pytest.param("TRADES_SIZE", "5", {"SIZE": 5}, id="number"),
        pytest.param("TRADES_ON", "true", {"ON": True}, id="boolean"),
        pytest.param("TRADES_LIST", "[1, 2]", {"LIST": [1, 2]}, id="list"),
        pytest.param("TRADES_TITLE", "plain", {"TITLE": "plain"}, id="text"),
        pytest.param("TRADES_TITLE", "", {"TITLE": ""}, id="empty"),
        pytest.param("TRADES_DB__pool", "5", {"DB": {"pool": 5}}, id="table"),
        pytest.param("TRADES_A__b__C", "5", {"A": {"b": {"C": 5}}}, id="deeper"),
        pytest.param("TRADES_EU_SIZE", "5", {}, id="longer-name-wins"),
        pytest.param("TRADE_SIZE", "5", {}, id="shorter-name"),
        pytest.param("TRADES_size", "5", {}, id="lower-case"),
        pytest.param("TRADESSIZE", "5", {}, id="no-underscore"),
        pytest.param("TRADES_", "5", {}, id="no-key"),
        pytest.param("trades_SIZE", "5", {}, id="lower-case-name"),
    ],
)
def test_the_environment(variable: str, text: str, expected: dict[str, Any]) -> None:
    assert of_environment({variable: text}) == expected


def test_the_longer_of_two_names_has_its_variable() -> None:
    environ = {"TRADES_EU_SIZE": "5", "TRADES_SIZE": "6"}
    assert of_environment(environ, "trades_eu") == {"SIZE": 5}
    assert of_environment(environ, "trades") == {"SIZE": 6}


def test_the_environment_leads_into_tables_and_leaves_the_lower_layer_alone() -> None:
    lower = {"pool": 1, "more": {"x": 1}}
    found = of_environment({"TRADES_DB__pool": "2", "TRADES_DB__more__y": "3"}, DB=lower)
    assert found["DB"] == {"pool": 2, "more": {"x": 1, "y": 3}}
    assert lower == {"pool": 1, "more": {"x": 1}}


def test_a_table_takes_the_place_of_what_is_none() -> None:
    assert of_environment({"TRADES_DB__pool": "2"}, DB="text") == {"DB": {"pool": 2}}


@pytest.mark.parametrize(
    "key",
    [
        "SECRET_KEY",
        "MAIL_PASSWORD",
        "API_TOKEN",
        "STRIPE_KEY",
        "SECURITY_PASSWORD_SALT",
        "DB_PWD",
        "DB__password",
        "DB__PASSWORD",
        "OAUTH__client_secret",
        "CLIENT_SECRET_ID",
    ],
)
@pytest.mark.parametrize("text", ["123456", "true", "1e5", "null"])
def test_secrets_stay_texts(key: str, text: str) -> None:
    value: Any = of_environment({f"TRADES_{key}": text})
    for part in key.split("__"):
        value = value[part]
    assert value == text


def test_lower_case_keys_are_no_config() -> None:
    config = Layered()
    config.lay("a", {"A": 1, "low": 2})
    assert (config.values, config.origins) == ({"A": 1}, {"A": "a"})


def test_a_default_is_laid_only_where_nothing_is() -> None:
    config = Layered()
    config.lay("a", {"A": None})
    config.lay_default("b", {"A": 1, "B": 2})
    assert config.values == {"A": None, "B": 2}
    assert config.origins == {"A": "a", "B": "b"}


def everything(project: ProjectFolder) -> Settings:
    """Make a project in which each layer sets its own key, and one less of the others."""
    keys = ["C1", "C2", "C3", "C4", "C5", "C6"]

    def lines(layer: int, sign: str = " = ") -> str:
        return "".join(f"{key}{sign}{layer}\n" for key in keys[layer - 1 :])

    project.manifest("trades", f"[config]\n{lines(2)}")
    project.operator(f"[mounts.trades.config]\n{lines(3)}")
    project.instance("config.py", "\n".join(f"{key} = 4" for key in keys[3:]))
    project.instance("trades.py", "\n".join(f"{key} = 5" for key in keys[4:]))
    from shared_utils.hosting.settings import table

    return table.load(project.project, {}, dict.fromkeys(keys, 1))


def test_the_layers_come_in_order(project: ProjectFolder) -> None:
    settings = everything(project)
    mount = settings.find("trades")
    assert mount is not None
    config = layers.layered(mount, settings, environ={"TRADES_C6": "6"})
    assert config.values == {"C1": 1, "C2": 2, "C3": 3, "C4": 4, "C5": 5, "C6": 6}
    assert config.origins == {
        "C1": "config.Config",
        "C2": "apps/trades/app.toml [config]",
        "C3": "rowhouse.toml [mounts.trades.config]",
        "C4": "instance/config.py",
        "C5": "instance/trades.py",
        "C6": "environment TRADES_C6",
    }


def test_no_app_writes_into_anothers_tables(project: ProjectFolder) -> None:
    for name in ("a", "b"):
        project.manifest(name)
    project.instance("config.py", "TABLE = {'x': {}}\nLIST = [[]]\nSET = {1}\nPAIR = ([], {})\n")
    settings = project.settings()
    one, two = (layers.layered(mount, settings, environ={}).values for mount in settings.mounts)
    one["TABLE"]["x"]["y"] = 1
    one["LIST"][0].append(1)
    one["SET"].add(2)
    one["PAIR"][0].append(1)
    assert two["TABLE"] == {"x": {}}
    assert two["LIST"] == [[]]
    assert two["SET"] == {1}
    assert two["PAIR"] == ([], {})


def derived(project: ProjectFolder, root: str = "/trades", **held: Any) -> dict[str, Any]:
    project.manifest("trades")
    settings = project.settings()
    config = Layered()
    config.lay("test", held)
    layers.derive(config, settings.mounts[0], settings, root=root)
    return config.values


def test_what_is_derived(project: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROWHOUSE_SECRET_KEY", "root")
    assert derived(project) == {
        "SECRET_KEY": derived_key("root", "trades"),
        "SESSION_COOKIE_NAME": "trades_session",
        "APPLICATION_ROOT": "/trades",
    }


def test_old_root_keys_give_fallbacks(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROWHOUSE_SECRET_KEY", "root")
    monkeypatch.setenv("ROWHOUSE_SECRET_KEY_FALLBACKS", "old older")
    assert derived(project)["SECRET_KEY_FALLBACKS"] == [
        derived_key("old", "trades"),
        derived_key("older", "trades"),
    ]


def test_what_a_layer_set_stays_but_for_the_root(project: ProjectFolder) -> None:
    found = derived(
        project, SECRET_KEY="mine", SESSION_COOKIE_NAME="s", APPLICATION_ROOT="/elsewhere"
    )
    assert found == {
        "SECRET_KEY": "mine",
        "SESSION_COOKIE_NAME": "s",
        "APPLICATION_ROOT": "/trades",
    }
    assert not (project.root / "instance" / "secret_key").exists()


@pytest.mark.parametrize("key", ["", None, b"", 3, ["a"]])
def test_what_is_no_key_is_refused(project: ProjectFolder, key: object) -> None:
    with pytest.raises(ConfigError, match="SECRET_KEY: is not a text, or an empty one"):
        derived(project, SECRET_KEY=key)


@pytest.mark.parametrize("old", ["old", 3, {"a": 1}, [3], [""]])
def test_what_is_no_list_of_keys_is_refused(project: ProjectFolder, old: object) -> None:
    # Flask takes each letter of a text for an old key, and accepts what is signed with it.
    with pytest.raises(ConfigError, match="SECRET_KEY_FALLBACKS: is not a list of texts"):
        derived(project, SECRET_KEY="new", SECRET_KEY_FALLBACKS=old)


# Apps that do not call configure_app.


def adopted(project: ProjectFolder, app: Flask) -> Flask:
    project.operator('[mounts.wiki]\napp = "wiki:app"\nconfig = { A = 3, SHARED = 3 }\n')
    settings = project.settings()
    adopt(app, Site(mount=settings.mounts[0], settings=settings, row={}))
    return app


def test_an_adopted_app_gets_the_layers_and_keeps_what_it_set(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIKI_B", "5")
    app = Flask("wiki")
    app.config.update(SHARED="mine", OWN="mine", SECRET_KEY="mine")
    config = adopted(project, app).config
    assert (config["A"], config["B"], config["SHARED"]) == (3, 5, 3)
    assert (config["OWN"], config["SECRET_KEY"]) == ("mine", "mine")
    assert (config["SESSION_COOKIE_NAME"], config["APPLICATION_ROOT"]) == ("wiki_session", "/wiki")


def test_an_adopted_app_keeps_its_own_objects(project: ProjectFolder) -> None:
    pool = {"lock": threading.Lock()}
    app = Flask("wiki")
    app.config["POOL"] = pool
    assert adopted(project, app).config["POOL"] is pool
