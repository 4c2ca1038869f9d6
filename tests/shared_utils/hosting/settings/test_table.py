from __future__ import annotations

import json
import logging
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_utils.hosting.settings import mounts, table
from shared_utils.hosting.settings.mistakes import ConfigError
from shared_utils.hosting.settings.mounts import Mount, Settings
from shared_utils.hosting.settings.reading import read
from shared_utils.hosting.settings.schema import Manifest, OperatorFile

if TYPE_CHECKING:
    from tests.conftest import ProjectFolder


def mount(settings: Settings, name: str) -> Mount:
    found = settings.find(name)
    assert found is not None
    return found


def faults(settings: Settings, name: str) -> str:
    return "\n".join(map(str, mount(settings, name).faults))


def prefixes(settings: Settings) -> dict[str, str | None]:
    return {mount.name: mount.prefix for mount in settings.mounts}


def test_an_empty_project_has_no_mounts(project: ProjectFolder) -> None:
    settings = project.settings()
    assert settings.mounts == ()
    assert settings.host.slots == 64


def test_a_folder_with_an_empty_manifest_is_a_mount(project: ProjectFolder) -> None:
    project.manifest("trades_eu")
    (project.root / "apps" / "no_manifest").mkdir()
    [found] = project.settings().mounts
    assert found == Mount(
        name="trades_eu",
        prefix="/trades_eu",
        target="apps.trades_eu:create_app()",
        title="Trades eu",
        source="apps/trades_eu/app.toml",
        identity=True,
    )


def test_the_operator_overrides_a_manifest_key_by_key(project: ProjectFolder) -> None:
    project.manifest(
        "trades",
        """
        title = "Theirs"
        owner = "team"
        load = "lazy"
        [limits]
        deadline = 10
        max_running = 4
        """,
    )
    project.operator(
        """
        [host.limits]
        queue_timeout = 2
        [mounts.trades]
        title = "Ours"
        load = "eager"
        required = true
        identity = false
        limits.deadline = 90
        """
    )
    found = mount(project.settings(), "trades")
    assert (found.title, found.owner, found.load) == ("Ours", "team", "eager")
    assert (found.required, found.identity) == (True, False)
    limits = found.limits
    assert (limits.deadline, limits.max_running, limits.queue_timeout) == (90, 4, 2)


def test_a_mount_outside_apps_is_the_operators(project: ProjectFolder) -> None:
    project.operator('[mounts.wiki]\napp = "wiki.web:application"\n')
    found = mount(project.settings(), "wiki")
    assert (found.prefix, found.target, found.source) == ("/wiki", "wiki.web:application", None)
    assert not found.identity
    assert found.package == "wiki"


@pytest.mark.parametrize(
    ("target", "package"),
    [
        ("apps.trades:create_app()", "apps.trades"),
        ("apps.trades.web.wsgi:app", "apps.trades"),
        ("wiki.web:application", "wiki"),
        ("wiki:application", "wiki"),
    ],
)
def test_the_package_of_a_mount(target: str, package: str) -> None:
    assert Mount(name="x", prefix="/x", target=target, title="X").package == package


# Mistakes.


def test_every_mistake_in_every_file_is_told_at_once(project: ProjectFolder) -> None:
    project.operator(
        """
        [host]
        slot = 3
        [mounts.Trades]
        app = "a:b"
        [mounts.tradse]
        [mounts.wiki]
        app = "wiki:app"
        prefix = "/same"
        [mounts.blog]
        app = "blog:app"
        prefix = "/same"
        """
    )
    project.manifest("trades", "titel = 1\nprefix = 'x'\n")
    project.manifest("broken", "= 1\n")
    project.instance("config.py", "SECRET_KEY = 'marker'\n")
    with pytest.raises(ConfigError) as caught:
        project.settings(ROWHOUSE_ONLY="wikki")
    message = str(caught.value)
    for part in (
        "9 mistakes",
        'rowhouse.toml: host.slot: unknown key; write "slots"',
        'rowhouse.toml: mounts.Trades: "Trades" is not a name of a mount',
        "rowhouse.toml: mounts.tradse: no app: there is no apps/tradse/app.toml; "
        'write "trades", or app = "module:attribute"',
        'rowhouse.toml: mounts.blog.prefix: "/same" is the prefix of mounts.wiki already',
        "instance/config.py: SECRET_KEY: it would give all apps one key",
        'ROWHOUSE_ONLY: there is no mount "wikki"; write wiki',
        'apps/trades/app.toml: titel: unknown key; write "title"',
        'apps/trades/app.toml: prefix: "x" has no leading slash; write "/x"',
        "apps/broken/app.toml:1:1: not TOML",
    ):
        assert part in message
    assert "marker" not in message


def test_a_mistake_in_a_manifest_leaves_its_neighbours_alone(project: ProjectFolder) -> None:
    project.manifest("bad", "titel = 1\n")
    project.manifest("good")
    settings = project.settings()
    assert "titel" in faults(settings, "bad")
    assert mount(settings, "good").faults == ()


def test_one_wrong_key_of_a_mount_is_one_mistake(project: ProjectFolder) -> None:
    project.operator("[mounts.wiki]\napp = 5\n")
    with pytest.raises(ConfigError) as caught:
        project.settings()
    assert len(caught.value.mistakes) == 1


def test_one_wrong_prefix_is_one_mistake(project: ProjectFolder) -> None:
    project.operator(
        '[mounts.wiki]\napp = "w:a"\nprefix = "w"\n[mounts.b]\napp = "b:a"\nprefix = "/wiki"\n'
    )
    with pytest.raises(ConfigError) as caught:
        project.settings()
    assert len(caught.value.mistakes) == 1


def test_one_prefix_given_twice_is_one_mistake(project: ProjectFolder) -> None:
    project.operator(
        '[mounts.a]\napp = "a:a"\nprefix = "/x"\n[mounts.b]\napp = "b:a"\nprefix = "/x"\n'
    )
    with pytest.raises(ConfigError) as caught:
        project.settings()
    assert len(caught.value.mistakes) == 1


@pytest.mark.parametrize("name", ["config", "rowhouse"])
def test_reserved_names(project: ProjectFolder, name: str) -> None:
    project.manifest(name)
    assert "is a name the host keeps for itself" in faults(project.settings(), name)
    project.operator(f'[mounts.{name}]\napp = "a:b"\n')
    with pytest.raises(ConfigError, match="the host keeps for itself"):
        project.settings()


@pytest.mark.parametrize("name", ["Trades", "1a", "a-b", "café", "-"])
def test_a_folder_with_another_kind_of_name_is_down(project: ProjectFolder, name: str) -> None:
    project.manifest(name)
    assert "is not a name of a mount" in faults(project.settings(), name)


def test_a_folder_whose_name_is_not_utf_8_does_not_stop_the_host(project: ProjectFolder) -> None:
    folder = Path(os.fsdecode(os.fsencode(project.root / "apps") + b"/bad\xff"))
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system wants UTF-8")
    (folder / "app.toml").touch()
    logging.disable()  # what is logged of it could not be written, nor reported by pytest
    try:
        host = project.host()
        assert host.test_client().get("/-/live").status_code == 200
    finally:
        logging.disable(logging.NOTSET)


def test_a_name_that_is_not_utf_8_can_be_printed(project: ProjectFolder) -> None:
    folder = Path(os.fsdecode(os.fsencode(project.root / "apps") + b"/bad\xff"))
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system wants UTF-8")
    (folder / "app.toml").write_text("titel = 1\n")
    [bad] = project.settings().mounts
    said = "".join(map(str, [bad.name, bad.prefix, bad.target, *bad.faults]))
    is_printable = not any("\ud800" <= character <= "\udfff" for character in said)
    assert is_printable


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x = " + "[" * 5000, id="nested-arrays"),
        pytest.param("title = " + "1" * 5000, id="long-decimal"),
        pytest.param("title = 0x" + "f" * 5000, id="long-hexadecimal"),
        pytest.param("[limits]\nmax_body = 0x" + "f" * 5000, id="above-the-ceiling"),
        pytest.param('app = "m:' + "-" * 20000 + '1"', id="nested-target"),
        pytest.param('app = "m:f({[]: 1})"', id="unhashable-argument"),
        pytest.param('"[key]" = 1', id="pydantics-own-mark"),
        pytest.param('limits."[key]" = 1', id="pydantics-own-mark-in-limits"),
        pytest.param('config."[key]" = 1', id="pydantics-own-mark-in-config"),
    ],
)
def test_no_manifest_stops_the_host(project: ProjectFolder, text: str) -> None:
    project.manifest("bad", text)
    project.manifest("good")
    settings = project.settings()
    assert mount(settings, "bad").faults
    assert not mount(settings, "good").faults


ODD_KEYS = st.one_of(
    st.sampled_from(
        ["[key]", "", "limits", "config", "prefix", "app", "title", "x.y", "A", "a\nb"]
    ),
    st.text(max_size=4),
)
ODD_VALUES = st.one_of(
    st.sampled_from(
        ["1", "-1.5", "nan", '""', "true", "[]", "[[1], {}]", "{}", "1979-05-27", "07:32:00"]
    ),
    st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="\\'"),
        max_size=3,
    ).map(lambda text: f"'{text}'"),
)


@given(
    st.dictionaries(st.lists(ODD_KEYS, min_size=1, max_size=3).map(tuple), ODD_VALUES, max_size=4)
)
def test_whatever_keys_a_manifest_has_nothing_is_raised(lines: dict[tuple[str, ...], str]) -> None:
    text = "\n".join(
        f"{'.'.join(json.dumps(part) for part in key)} = {value}" for key, value in lines.items()
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "app.toml")
        path.write_text(text, encoding="utf-8")
        for model in (Manifest, OperatorFile):
            for mistake in read(path, "app.toml", model).mistakes:
                assert mistake.found
                assert mistake.write


def test_a_prefix_that_the_operator_gives_twice_is_told_once(project: ProjectFolder) -> None:
    project.manifest("aa")
    project.manifest("trades")
    project.operator('[mounts.aa]\nprefix = "/x"\n[mounts.trades]\nprefix = "/x"\n')
    with pytest.raises(ConfigError) as raised:
        project.settings()
    [only] = raised.value.mistakes
    assert only.key == "mounts.trades.prefix"


def test_a_manifest_that_is_a_folder_is_a_mistake(project: ProjectFolder) -> None:
    (project.root / "apps/bad/app.toml").mkdir(parents=True)
    assert "cannot be read" in faults(project.settings(), "bad")


def test_an_operator_file_that_was_named_has_to_be_there(project: ProjectFolder) -> None:
    named = mounts.Project(
        root=project.root, operator=project.root / "other.toml", operator_given=True
    )
    with pytest.raises(ConfigError, match=r"other.toml: there is no such file"):
        table.load(named, {})


def test_a_file_outside_the_project_is_shown_whole(project: ProjectFolder, tmp_path: Path) -> None:
    assert project.project.shown(tmp_path / "x.toml") == str(tmp_path / "x.toml")


# Prefixes.


def test_the_root_prefix_is_the_operators_to_give(project: ProjectFolder) -> None:
    project.manifest("home", 'prefix = "/"\n')
    settings = project.settings()
    assert "only the operator may give it" in faults(settings, "home")
    assert mount(settings, "home").prefix == "/home"
    project.manifest("home")
    project.operator('[mounts.home]\nprefix = "/"\n')
    settings = project.settings()
    assert (mount(settings, "home").prefix, mount(settings, "home").faults) == ("/", ())


def test_of_two_manifests_the_app_of_that_name_has_the_prefix(project: ProjectFolder) -> None:
    project.manifest("alpha", 'prefix = "/trades"\n')
    project.manifest("trades")
    settings = project.settings()
    assert prefixes(settings) == {"alpha": "/alpha", "trades": "/trades"}
    assert mount(settings, "trades").faults == ()
    assert faults(settings, "alpha") == (
        'apps/alpha/app.toml: prefix: "/trades" is the prefix of trades; write another prefix'
    )


def test_else_the_first_by_name_has_it(project: ProjectFolder) -> None:
    for name in ("c", "b", "d"):
        project.manifest(name, 'prefix = "/shop"\n')
    settings = project.settings()
    assert prefixes(settings) == {"b": "/shop", "c": "/c", "d": "/d"}
    assert [m.name for m in settings.mounts if m.faults] == ["c", "d"]


def test_the_operators_choice_wins_over_both(project: ProjectFolder) -> None:
    project.manifest("trades")
    project.manifest("alpha", 'prefix = "/trades"\n')
    project.manifest("zulu")
    project.operator('[mounts.zulu]\nprefix = "/trades"\n')
    settings = project.settings()
    assert prefixes(settings) == {"alpha": "/alpha", "trades": None, "zulu": "/trades"}
    assert mount(settings, "zulu").faults == ()
    assert "is the prefix of zulu" in faults(settings, "trades")


def test_a_mount_outside_apps_wins_without_a_word_on_its_prefix(project: ProjectFolder) -> None:
    project.manifest("alpha", 'prefix = "/wiki"\n')
    project.operator('[mounts.wiki]\napp = "wiki:app"\n')
    assert prefixes(project.settings()) == {"alpha": "/alpha", "wiki": "/wiki"}


def test_a_loser_takes_no_prefix_from_a_third(project: ProjectFolder) -> None:
    project.manifest("alpha", 'prefix = "/beta"\n')
    project.manifest("beta")
    project.manifest("gamma", 'prefix = "/alpha"\n')
    settings = project.settings()
    assert prefixes(settings) == {"alpha": None, "beta": "/beta", "gamma": "/alpha"}
    assert mount(settings, "gamma").faults == ()


def test_a_mount_that_is_not_served_holds_no_prefix(project: ProjectFolder) -> None:
    project.manifest("alpha", 'prefix = "/trades"\n')
    project.manifest("trades")
    project.operator("[mounts.trades]\nenabled = false\n")
    settings = project.settings()
    assert prefixes(settings) == {"alpha": "/trades"}
    assert mount(settings, "alpha").faults == ()


def test_the_operator_may_give_one_prefix_to_one_enabled_and_one_not(
    project: ProjectFolder,
) -> None:
    project.operator(
        '[mounts.a]\napp = "a:a"\nprefix = "/x"\n'
        '[mounts.b]\napp = "b:b"\nprefix = "/x"\nenabled = false\n'
    )
    assert prefixes(project.settings()) == {"a": "/x"}


NAMES = ["a", "b", "c", "d"]


@given(
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["", "/a", "/b", "/x"]), min_size=1),
    st.sampled_from([None, *NAMES]),
)
def test_whatever_is_claimed_no_prefix_is_given_twice(
    claims: dict[str, str], chosen: str | None
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, prefix in claims.items():
            (root / "apps" / name).mkdir(parents=True)
            text = f'prefix = "{prefix}"\n' if prefix else ""
            (root / "apps" / name / "app.toml").write_text(text)
        if chosen in claims:
            (root / "rowhouse.toml").write_text(f'[mounts.{chosen}]\nprefix = "/x"\n')
        settings = table.load(mounts.Project(root=root, operator=root / "rowhouse.toml"), {})
    given_out = [mount.prefix for mount in settings.mounts if mount.prefix is not None]
    assert len(given_out) == len(set(given_out))
    for found in settings.mounts:
        wanted = "/x" if found.name == chosen else claims[found.name] or f"/{found.name}"
        assert (found.prefix == wanted) is not bool(found.faults)
        assert not (found.name == chosen and found.faults)


# Ceilings.


@pytest.mark.parametrize(
    ("operator", "manifest", "said"),
    [
        pytest.param("", "deadline = 60", "limits.deadline: 60 is above", id="default-ceiling"),
        pytest.param("", "deadline = 30", "", id="at-the-ceiling"),
        pytest.param("deadline = 0", "deadline = 900", "", id="no-ceiling"),
        pytest.param("", "stream_deadline = 5", "", id="below-no-deadline"),
        pytest.param("", "max_running = 9", "", id="fair-share-is-no-ceiling"),
        pytest.param("max_running = 8", "max_running = 9", "limits.max_running: 9", id="cap"),
        pytest.param("stream_deadline = 9", "stream_deadline = 0", "stream_deadline", id="none"),
    ],
)
def test_ceilings(project: ProjectFolder, operator: str, manifest: str, said: str) -> None:
    project.operator(f"[host.limits]\n{operator}\n")
    project.manifest("trades", f"[limits]\n{manifest}\n")
    found = faults(project.settings(), "trades")
    assert said in found if said else found == ""


def test_a_ceiling_is_spelt_out(project: ProjectFolder) -> None:
    project.manifest("trades", "[limits]\nmax_body = 16777217\n")
    found = faults(project.settings(), "trades")
    assert "16777217 is above the operator's ceiling; write at most 16777216" in found


def test_no_deadline_is_not_called_above_but_without_end(project: ProjectFolder) -> None:
    project.manifest("trades", "[limits]\ndeadline = 0\n")
    found = faults(project.settings(), "trades")
    assert found
    assert "0 is above" not in found


def test_the_operator_may_go_above_the_ceilings(project: ProjectFolder) -> None:
    project.manifest("trades", "[limits]\ndeadline = 60\n")
    project.operator("[mounts.trades.limits]\ndeadline = 90\n")
    settings = project.settings()
    assert mount(settings, "trades").faults == ()
    assert mount(settings, "trades").limits.deadline == 90


# Which mounts are served.


def test_a_mount_that_is_not_enabled_is_known_but_not_served(project: ProjectFolder) -> None:
    project.manifest("trades")
    project.operator("[mounts.trades]\nenabled = false\n")
    settings = project.settings()
    assert settings.mounts == ()
    assert not mount(settings, "trades").served


@pytest.mark.parametrize("only", ["b,c", " b , c ", "c,,b,"])
def test_only_some_are_served(project: ProjectFolder, only: str) -> None:
    for name in ("a", "b", "c"):
        project.manifest(name)
    settings = project.settings(ROWHOUSE_ONLY=only)
    assert [mount.name for mount in settings.mounts] == ["b", "c"]
    assert [mount.name for mount in settings.known] == ["a", "b", "c"]


@pytest.mark.parametrize("only", ["", " ", ","])
def test_an_empty_only_serves_all(project: ProjectFolder, only: str) -> None:
    project.manifest("a")
    assert prefixes(project.settings(ROWHOUSE_ONLY=only)) == {"a": "/a"}


# Reading again.


def test_reread_sees_a_mended_manifest_and_the_same_operator_file(project: ProjectFolder) -> None:
    project.manifest("trades", "titel = 1\n")
    project.operator('[mounts.trades]\nowner = "ours"\n')
    settings = project.settings()
    project.manifest("trades", 'title = "Mended"\nprefix = "/t"\n')
    project.operator("nonsense")
    found = table.reread(settings, "trades")
    assert found is not None
    assert (found.title, found.prefix, found.owner, found.faults) == ("Mended", "/t", "ours", ())


def test_reread_gives_none_for_a_folder_that_is_gone(project: ProjectFolder) -> None:
    path = project.manifest("trades")
    settings = project.settings()
    path.unlink()
    assert table.reread(settings, "trades") is None


# Secrets.

PLACES = [
    'titel = "{}"',
    '[unknown]\nurl = "{}"',
    'config = "{}"',
    'config = ["{}"]',
    '[config]\nlow = "{}"',
    '[config]\nSECRET_KEY = "{}"',
    '[config.APPLICATION_ROOT]\nx = "{}"',
    'api_token = "{}"',
    '[limits]\npassword = "{}"',
    'limits = {{ secret_key = "{}" }}',
    '[config]\nA = "{}"\nB = = 1',
    '[config]\nA = "{}',
    "[config]\nA = '''{}",
    'A = "{}" B',
    '"A" = "{}\\q"',
]


@given(
    st.text(alphabet="0123456789abcdef", min_size=12, max_size=16),
    st.lists(st.sampled_from(PLACES), min_size=1, max_size=3),
    st.sampled_from(PLACES),
    st.sampled_from(
        [
            "raise ValueError('{}')",
            "SECRET_KEY = '{}'",
            "import json; json.loads('{}')",
            "A = '{}' '",
            "x{} + 1",
            "import sys; sys.exit('{}')",
        ]
    ),
)
def test_no_message_shows_a_secret(
    digits: str, manifests: list[str], operator: str, instance: str
) -> None:
    marker = f"marker{digits}"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "instance").mkdir()
        (root / "instance" / "config.py").write_text(instance.format(marker))
        for number, text in enumerate(manifests):
            (root / "apps" / f"a{number}").mkdir(parents=True)
            (root / "apps" / f"a{number}" / "app.toml").write_text(text.format(marker))
        lines = operator.format(marker)
        if not lines.startswith("["):
            lines = f'[mounts.wiki]\napp = "w:a"\n{lines}'
        (root / "rowhouse.toml").write_text(lines)
        with pytest.raises(ConfigError) as caught:
            table.load(mounts.Project(root=root, operator=root / "rowhouse.toml"), {})
    assert marker not in str(caught.value)
    assert marker not in repr(caught.value)


def test_settings_do_not_show_config_in_their_repr(project: ProjectFolder) -> None:
    project.manifest("trades", '[config]\nA = "marker"\n')
    project.instance("config.py", "B = 'marker'\n")
    project.operator('[mounts.trades.config]\nC = "marker"\n')
    settings = project.settings()
    assert "marker" not in repr(mount(settings, "trades"))
    assert "marker" not in repr(settings)
