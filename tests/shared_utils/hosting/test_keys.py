from __future__ import annotations

import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shared_utils.hosting.keys import FILE, derived_key, hkdf, root_keys
from shared_utils.hosting.settings.mistakes import ConfigError
from tests.running import REPOSITORY, clean_environment

VECTORS = [
    pytest.param(
        b"\x0b" * 22,
        bytes(range(0x0D)),
        bytes(range(0xF0, 0xFA)),
        42,
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        id="A.1",
    ),
    pytest.param(
        bytes(range(0x50)),
        bytes(range(0x60, 0xB0)),
        bytes(range(0xB0, 0x100)),
        82,
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c6"
        "5e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
        id="A.2",
    ),
    pytest.param(
        b"\x0b" * 22,
        b"",
        b"",
        42,
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        id="A.3",
    ),
]


@pytest.mark.parametrize(("key", "salt", "info", "length", "expected"), VECTORS)
def test_vectors_of_rfc_5869(
    key: bytes, salt: bytes, info: bytes, length: int, expected: str
) -> None:
    assert hkdf(key, salt=salt, info=info, length=length).hex() == expected


def test_derived_keys_differ_by_name_and_root() -> None:
    keys = {derived_key(root, name) for root in ("r", "s") for name in ("a", "b", "ab")}
    assert len(keys) == 6
    assert all(len(key) == 64 for key in keys)


def test_a_random_key_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "instance"
    [key] = root_keys(folder, {})
    assert len(key) == 64
    assert root_keys(folder, {}) == (key,)
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == [FILE]


def test_the_environment_wins_and_nothing_is_written(tmp_path: Path) -> None:
    assert root_keys(tmp_path, {"ROWHOUSE_SECRET_KEY": "k"}) == ("k",)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("old", ["a b", "a,b", " a , b ", "a\nb"])
def test_old_keys_follow(tmp_path: Path, old: str) -> None:
    environ = {"ROWHOUSE_SECRET_KEY": "k", "ROWHOUSE_SECRET_KEY_FALLBACKS": old}
    assert root_keys(tmp_path, environ) == ("k", "a", "b")


def test_old_keys_are_further_lines_of_the_file(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("new\nold\nolder\n")
    assert root_keys(tmp_path, {}) == ("new", "old", "older")
    fallbacks = {"ROWHOUSE_SECRET_KEY_FALLBACKS": "x"}
    assert root_keys(tmp_path, fallbacks) == ("new", "x")


def test_a_key_of_the_file_is_its_whole_line(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("correct horse battery staple\nold one\n")
    assert root_keys(tmp_path, {}) == ("correct horse battery staple", "old one")


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_file_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ConfigError, match="is empty"):
        root_keys(tmp_path, {})


def test_an_instance_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    instance = tmp_path / "instance"
    instance.write_text("a file where a folder should be")
    with pytest.raises(ConfigError, match="ROWHOUSE_SECRET_KEY in the environment"):
        root_keys(instance, {})


def test_a_file_that_is_not_text_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"mark\xff\xfe")
    with pytest.raises(ConfigError) as caught:
        root_keys(tmp_path, {})
    assert "mark" not in str(caught.value)
    assert "not plain text" in str(caught.value)
    assert "make its folder writable" not in str(caught.value)


def test_threads_that_make_it_at_once_agree(tmp_path: Path) -> None:
    found: set[tuple[str, ...]] = set()
    barrier = threading.Barrier(8)

    def make() -> None:
        barrier.wait()
        found.add(root_keys(tmp_path / "instance", {}))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 1


def test_processes_that_make_it_at_once_agree(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from shared_utils.hosting.keys import root_keys; sys.stdin.read(1); "
        "print(root_keys(pathlib.Path(sys.argv[1]), {})[0])"
    )
    made = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "instance")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
            env=clean_environment(),
        )
        for _ in range(3)
    ]
    for process in made:
        assert process.stdin is not None
        process.stdin.write(b"x")
        process.stdin.flush()
    assert len({process.communicate()[0] for process in made}) == 1
    assert len(list((tmp_path / "instance").iterdir())) == 1
