from __future__ import annotations

import os
import time
from pathlib import Path

from shared_utils.hosting.inspection.folders import DEAD_AFTER, clear, folder_of
from shared_utils.hosting.inspection.listening import bind


def old(folder: Path) -> Path:
    at = time.time() - 2 * DEAD_AFTER
    os.utime(folder, (at, at))
    return folder


def test_each_master_has_a_folder(tmp_path: Path) -> None:
    own = folder_of(tmp_path, os.getpid())
    assert own == folder_of(tmp_path, os.getpid())
    assert own != folder_of(tmp_path, os.getppid())
    assert own.parent == tmp_path


def test_what_ended_ones_have_left_is_taken_away(tmp_path: Path) -> None:
    own = folder_of(tmp_path, os.getpid())
    dead, young, alive = (tmp_path / f"workers-of-{n}-1" for n in (1, 2, 3))
    for folder in (own, dead, young):
        bind(folder, 7).close()
    (dead / "history.jsonl").touch()
    (tmp_path / "gunicorn.ctl").touch()
    with bind(alive, 7), bind(own, 8):
        old(dead)
        old(alive)
        clear(tmp_path, old(own))
        assert sorted(path.name for path in own.iterdir()) == ["8.sock"]
    assert {path.name for path in tmp_path.iterdir()} == {
        own.name,
        young.name,
        alive.name,
        "gunicorn.ctl",
    }
