from __future__ import annotations

from pathlib import Path

import pytest

from shared_utils.hosting.settings.mistakes import ConfigError, Mistake
from shared_utils.hosting.settings.reading import check, read
from shared_utils.hosting.settings.schema import Manifest, OperatorFile


def said(tmp_path: Path, text: str, model: type[Manifest] | type[OperatorFile] = Manifest) -> str:
    path = tmp_path / "app.toml"
    path.write_text(text, encoding="utf-8")
    found = read(path, "app.toml", model)
    return "\n".join(str(mistake) for mistake in found.mistakes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param('titel = "x"', 'app.toml: titel: unknown key; write "title"', id="nearest"),
        pytest.param(
            "deadline = 3",
            'app.toml: deadline: unknown key; write it as "limits.deadline"',
            id="misplaced",
        ),
        pytest.param(
            "enabled = true",
            "app.toml: enabled: unknown key; only the operator may set it, in rowhouse.toml",
            id="operator-only",
        ),
        pytest.param(
            "[limits]\nqueue_timeot = 3",
            'app.toml: limits.queue_timeot: unknown key; write "queue_timeout"',
            id="nearest-in-table",
        ),
        pytest.param(
            "title = 5", "app.toml: title: found 5; write a text in quotes", id="not-a-text"
        ),
        pytest.param("limits = 5", "app.toml: limits: found 5; write a table", id="not-a-table"),
        pytest.param(
            "[limits]\nmax_running = true",
            "app.toml: limits.max_running: found true; write a whole number",
            id="boolean-for-number",
        ),
        pytest.param(
            "[limits]\nmax_running = 0",
            "app.toml: limits.max_running: found 0; write a number that is at least 1",
            id="too-small",
        ),
        pytest.param(
            "[limits]\nstartup_timeout = 0.0",
            "app.toml: limits.startup_timeout: found 0.0; write a number that is more than 0",
            id="not-more-than",
        ),
        pytest.param(
            "[limits]\ndeadline = nan",
            "app.toml: limits.deadline: found nan; write a finite number",
            id="not-finite",
        ),
        pytest.param(
            'load = "eagre"',
            'app.toml: load: found \'eagre\'; write "eager" or "lazy"',
            id="no-such-choice",
        ),
        pytest.param(
            'app = "wiki"',
            'app.toml: app: "wiki" does not name an application; '
            'write "module:attribute" or "module:factory()"',
            id="target",
        ),
        pytest.param(
            "[config]\npage_size = 1",
            "app.toml: config.page_size: Flask drops keys in small letters; write PAGE_SIZE",
            id="lower-case-config",
        ),
    ],
)
def test_a_mistake_names_file_key_found_and_what_to_write(
    tmp_path: Path, text: str, message: str
) -> None:
    assert said(tmp_path, text) == message


@pytest.mark.parametrize(
    ("text", "where"),
    [
        pytest.param('title = "x"\nowner = = 3\n', "app.toml:2:9: not TOML: ", id="middle"),
        pytest.param('title = "x"\nowner =', "app.toml:2:8: not TOML: ", id="end"),
        pytest.param("[limits\n", "app.toml:1:8: not TOML: ", id="table"),
        pytest.param("a = 1\na = 2\n", "app.toml:2:", id="twice"),
    ],
)
def test_a_syntax_error_has_line_and_column(tmp_path: Path, text: str, where: str) -> None:
    assert said(tmp_path, text).startswith(where)


def test_a_file_that_is_not_utf_8_says_so(tmp_path: Path) -> None:
    path = tmp_path / "app.toml"
    path.write_bytes(b'title = "caf\xe9"\n')
    [mistake] = read(path, "app.toml", Manifest).mistakes
    assert str(mistake) == "app.toml: byte 12 is not UTF-8; save the file as UTF-8"


def test_a_file_that_is_missing_or_a_folder_says_so(tmp_path: Path) -> None:
    [missing] = read(tmp_path / "none.toml", "none.toml", OperatorFile).mistakes
    [folder] = read(tmp_path, "folder", OperatorFile).mistakes
    assert "no such file" in str(missing)
    assert "cannot be read" in str(folder)


def test_every_mistake_is_told_at_once_and_the_rest_is_held(tmp_path: Path) -> None:
    path = tmp_path / "app.toml"
    path.write_text(
        'title = "T"\nowner = 1\nloads = 2\nprefix = "x"\n[limits]\ndeadline = "9"\nmax_body = 7\n'
    )
    found = read(path, "app.toml", Manifest)
    assert {mistake.key for mistake in found.mistakes} == {
        "owner",
        "loads",
        "prefix",
        "limits.deadline",
    }
    assert found.held.title == "T"
    assert (found.held.limits.max_body, found.held.limits.deadline) == (7, 30.0)


def test_every_wrong_key_of_config_is_told_at_once(tmp_path: Path) -> None:
    message = said(tmp_path, '[config]\nfirst = 1\nsecond = 2\nSECRET_KEY = "x"\nGOOD = 1\n')
    assert "first" in message
    assert "second" in message
    assert "SECRET_KEY" in message


def test_a_wrong_key_of_config_leaves_the_others_in_place(tmp_path: Path) -> None:
    path = tmp_path / "app.toml"
    path.write_text("[config]\nfirst = 1\nGOOD = 1\n")
    assert read(path, "app.toml", Manifest).held.config == {"GOOD": 1}


def test_a_mistake_about_config_names_the_key_itself(tmp_path: Path) -> None:
    path = tmp_path / "app.toml"
    path.write_text("[config]\nfirst = 1\n")
    [mistake] = read(path, "app.toml", Manifest).mistakes
    assert mistake.key == "config.first"


# What a team writes must never stop the host: no text of a manifest may raise.
HOSTILE = [
    pytest.param("x = " + "[" * 5000, id="nested-arrays"),
    pytest.param("title = " + "1" * 5000, id="long-decimal"),
    pytest.param("title = 0x" + "f" * 5000, id="long-hexadecimal"),
    pytest.param("[limits]\nqueue_timeout = 0x" + "f" * 5000, id="long-seconds"),
    pytest.param('app = "m:' + "-" * 20000 + '1"', id="nested-signs"),
    pytest.param('app = "m:a' + ".a" * 50000 + '"', id="nested-attributes"),
    pytest.param('app = "m:f({[]: 1})"', id="unhashable-argument"),
    pytest.param('app = "m:f(\\u0000)"', id="null"),
    pytest.param("a" + ".a" * 3000 + " = 1", id="nested-tables"),
    pytest.param("title = 2020-99-99", id="no-such-date"),
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_manifest_raises(tmp_path: Path, text: str) -> None:
    assert said(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        pytest.param("[limits]\nqueue_timeout = 1e9", "31536000", id="seconds"),
        pytest.param("[limits]\nstartup_timeout = 1e9", "86400", id="startup"),
    ],
)
def test_the_number_to_write_is_spelt_out(tmp_path: Path, text: str, number: str) -> None:
    assert number in said(tmp_path, text)


def test_a_date_is_named_as_one(tmp_path: Path) -> None:
    assert "datetime." not in said(tmp_path, "title = 2020-01-01")


def test_a_line_break_in_a_key_does_not_break_the_message(tmp_path: Path) -> None:
    assert "\n" not in said(tmp_path, '"a\\nb" = 1')


@pytest.mark.parametrize(
    ("text", "write"),
    [
        pytest.param("deadline = 3", '"host.limits.deadline"', id="top"),
        pytest.param("slots = 3", '"host.slots"', id="slots"),
        pytest.param("[limits]\ndeadline = 3", '"host.limits"', id="table"),
    ],
)
def test_a_misplaced_key_of_the_operator_is_placed(tmp_path: Path, text: str, write: str) -> None:
    assert write in said(tmp_path, text, OperatorFile)


def test_a_misplaced_key_is_placed_by_its_whole_path(tmp_path: Path) -> None:
    message = said(tmp_path, "[host]\nmax_running = 3", OperatorFile)
    assert '"host.limits.max_running"' in message


def test_tables_of_mounts_are_checked_each(tmp_path: Path) -> None:
    message = said(
        tmp_path, "[mounts.a]\nenabeld = true\n[mounts.b.limits]\ndeadlin = 1\n", OperatorFile
    )
    assert 'mounts.a.enabeld: unknown key; write "enabled"' in message
    assert 'mounts.b.limits.deadlin: unknown key; write "deadline"' in message


def test_check_takes_what_is_sound() -> None:
    found = check({"limits": {"deadline": 3}}, "app.toml", Manifest)
    assert found.mistakes == ()
    assert found.held.limits.deadline == 3


def test_an_error_of_many_mistakes_lists_them_all() -> None:
    one = Mistake(file="a.toml", key="k", found="found 1", write="write 2")
    two = Mistake(file="b.toml", found="is gone", write="bring it back")
    assert str(ConfigError([one])) == "1 mistake in the settings:\n  a.toml: k: found 1; write 2"
    assert str(ConfigError([one, two])).splitlines()[0] == "2 mistakes in the settings:"
    assert str(ConfigError([one, two])).splitlines()[2] == "  b.toml: is gone; bring it back"
