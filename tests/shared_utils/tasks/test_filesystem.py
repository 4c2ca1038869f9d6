from __future__ import annotations

import stat
import threading
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from kombu.connection import Connection

from shared_utils.tasks.filesystem import Channel


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "broker"


def channel(folder: Path) -> Channel:
    connection = Connection(  # type: ignore[no-untyped-call]
        "filesystem://localhost",
        transport="shared_utils.tasks.filesystem:Transport",
        transport_options={"folder": str(folder)},
    )
    made = connection.channel()  # type: ignore[no-untyped-call]
    assert isinstance(made, Channel)
    return made


def all_of(taken: Channel, queue: str) -> list[Any]:
    found = []
    while True:
        try:
            found.append(taken._get(queue))
        except Empty:
            return found


def test_first_in_first_out_and_each_queue_for_itself(folder: Path) -> None:
    sender, taker = channel(folder), channel(folder)
    for number in range(5):
        sender._put("trades", {"number": number})
    sender._put("home", {"number": 9})
    assert (sender._size("trades"), sender._size("home"), sender._size("none")) == (5, 1, 0)
    assert [message["number"] for message in all_of(taker, "trades")] == [0, 1, 2, 3, 4]
    assert taker._purge("home") == 1
    assert all_of(taker, "home") == all_of(taker, "none") == []


def test_what_others_can_read(folder: Path) -> None:
    channel(folder)._put("trades", {})
    for path in (folder, folder / "trades"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


@pytest.mark.parametrize("text", ["", "{", "nonsense"], ids=["empty", "half", "nonsense"])
def test_what_is_no_message_is_removed_and_the_next_one_taken(folder: Path, text: str) -> None:
    taker = channel(folder)
    taker._put("trades", {"number": 1})
    (folder / "trades" / "0.msg").write_text(text)
    assert all_of(taker, "trades") == [{"number": 1}]
    assert list((folder / "trades").iterdir()) == []


def test_a_half_written_message_of_a_killed_process_is_not_seen(folder: Path) -> None:
    taker = channel(folder)
    taker._put("trades", {"number": 1})
    (folder / "trades" / "0.draft").write_text("{")
    assert taker._size("trades") == 1
    assert all_of(taker, "trades") == [{"number": 1}]


def test_a_queue_cannot_be_outside_of_the_folder(folder: Path) -> None:
    sender = channel(folder)
    for queue in ("../../elsewhere", ".."):
        sender._put(queue, {"number": 1})
        assert all_of(sender, queue) == [{"number": 1}]
    assert [path.name for path in folder.parent.iterdir()] == ["broker"]


def test_many_who_take_get_each_message_once(folder: Path) -> None:
    sender = channel(folder)
    for number in range(200):
        sender._put("trades", number)
    found: list[int] = []
    together = threading.Barrier(4)

    def take() -> None:
        taker = channel(folder)
        together.wait()
        found.extend(all_of(taker, "trades"))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(200))
