from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from shared_utils.tasks.presence import announce, has_worker
from tests.running import REPOSITORY

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


def test_a_worker_is_there_as_long_as_its_process(tmp_path: Path) -> None:
    assert not has_worker("trades", tmp_path / "none")
    with subprocess.Popen(
        [sys.executable, "-c", LISTEN, str(tmp_path)],
        env={"PYTHONPATH": str(REPOSITORY)},
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
    with announce(["trades"], tmp_path):
        assert has_worker("trades", tmp_path)


def test_what_is_no_file_of_a_worker_is_no_worker(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text("{")
    (tmp_path / "2.json").write_text('{"queues": ["trades"]}')
    assert not has_worker("trades", tmp_path)
