from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shared_utils.health import Unwell
from shared_utils.tasks.presence import announce, has_worker, require_worker
from tests.running import REPOSITORY, clean_environment

LISTEN = """
import os, pathlib, sys
from shared_utils.tasks.presence import announce
held = announce(["trades", "home"], pathlib.Path(sys.argv[1]))
if os.fork() == 0:
    sys.stdin.read()  # a child that outlives it
    os._exit(0)
print("ready", flush=True)
sys.stdin.read()
"""

LOOK = """
import pathlib, sys
from shared_utils.tasks.presence import has_worker
print(has_worker("trades", pathlib.Path(sys.argv[1])))
"""


def test_a_worker_is_there_as_long_as_its_process(tmp_path: Path) -> None:
    assert not has_worker("trades", tmp_path / "none")
    with subprocess.Popen(
        [sys.executable, "-c", LISTEN, str(tmp_path)],
        cwd=REPOSITORY,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stdin
        process.stdout.readline()
        assert has_worker("trades", tmp_path)
        assert has_worker("home", tmp_path)
        assert not has_worker("accounts", tmp_path)
        process.kill()
        process.wait()
        assert not has_worker("trades", tmp_path)
        assert list(tmp_path.iterdir()) == []
        process.stdin.close()


def test_a_process_sees_itself(tmp_path: Path) -> None:
    look = [sys.executable, "-c", LOOK, str(tmp_path)]
    with announce(["trades"], tmp_path):
        assert has_worker("trades", tmp_path)
        assert not has_worker("home", tmp_path)
        # And others still do: to look has not given up its lock.
        seen = subprocess.run(
            look,
            cwd=REPOSITORY,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        assert seen.stdout == "True\n"
    assert not has_worker("trades", tmp_path)


def test_what_is_no_file_of_a_worker_is_no_worker(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text("{")
    (tmp_path / "2.json").write_text('{"queues": ["trades"]}')
    assert not has_worker("trades", tmp_path)


def test_a_check_says_that_none_listens_and_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROWHOUSE_BROKER_URL", raising=False)
    with announce(["home"], tmp_path), pytest.raises(Unwell, match="run: rowhouse worker"):
        require_worker("trades", tmp_path)
    with announce(["trades"], tmp_path):
        require_worker("trades", tmp_path)


def test_workers_on_other_machines_are_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROWHOUSE_BROKER_URL", "redis://broker.internal/0")
    require_worker("trades", tmp_path)
