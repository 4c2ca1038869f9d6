"""What an operator does, and what is written down of it."""

from __future__ import annotations

import datetime
import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared_utils.hosting.pages import row_of
from tests.apps.ops.conftest import Console
from tests.conftest import GREETER

Eventually = Callable[[Callable[[], bool]], None]


def audit(console: Console) -> list[dict[str, Any]]:
    path = console.folder / "ops-audit.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def state(console: Console, name: str) -> str:
    return row_of(console.host).mounts[name].state


def test_an_app_is_closed_with_a_message_and_opened_again(console: Console) -> None:
    page = console.act("/ops/apps/shop/close", message="Back at <noon>").text
    assert "Shop: closed." in page
    assert "Back at &lt;noon&gt;" in page
    assert (console.folder / "maintenance" / "shop").read_text() == "Back at <noon>"
    assert state(console, "shop") == "maintenance"
    assert "Back at &lt;noon&gt;" in console.get("/ops/apps/shop/open").text
    assert console.client(roles=None).get("/shop/", buffered=True).status_code == 503
    assert "No request has failed" in console.get("/ops/apps/shop").text  # it was not asked
    assert "Shop: open again." in console.act("/ops/apps/shop/open").text
    assert state(console, "shop") == "up"

    closed, opened = audit(console)
    told = {key: closed[key] for key in ("who", "who_id", "action", "app", "outcome", "message")}
    assert told == {
        "who": "ann",
        "who_id": "ann",
        "action": "close",
        "app": "shop",
        "outcome": "closed",
        "message": "Back at <noon>",
    }
    assert (opened["action"], opened["outcome"]) == ("open", "open again")
    assert closed["at"].endswith("+00:00")
    assert closed["client"] == "192.0.2.7"
    assert len(closed["request_id"]) >= 8
    assert (console.folder / "ops-audit.jsonl").stat().st_mode & 0o777 == 0o600
    page = console.get("/ops/audit").text
    assert page.index("Ended maintenance") < page.index("Closed for maintenance")
    assert "Back at &lt;noon&gt;" in page


def test_a_message_that_is_too_long_is_asked_for_again(console: Console) -> None:
    page = console.act("/ops/apps/shop/close", message="x" * 501)
    assert page.status_code == 422
    assert "at most 500 characters" in page.text
    assert audit(console) == []
    assert state(console, "shop") == "up"


@pytest.mark.parametrize("sent", [{"message": {"a": [1]}}, ["message"]])
def test_json_is_not_read_as_fields(console: Console, sent: Any) -> None:
    client = console.client()
    page = client.get("/ops/apps/shop/close", headers={"Accept": "text/html"}, buffered=True).text
    token = page.partition('name="csrf_token" type="hidden" value="')[2].partition('"')[0]
    answer = client.post("/ops/apps/shop/close", json=sent, headers={"X-CSRFToken": token})
    assert answer.status_code == 303
    assert [line["message"] for line in audit(console)] == [""]


def test_the_console_does_not_close_itself(console: Console) -> None:
    assert console.get("/ops/apps/ops/close").status_code == 409


def test_an_app_that_is_down_is_built_again(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def rebuild(mounted: Any) -> bool:
        asked.append(mounted.mount.name)
        return bool(mounted.mount.name == "broken")

    monkeypatch.setattr(row_of(console.host).builder, "rebuild", rebuild)
    page = console.act("/ops/apps/broken/rebuild").text
    assert "being built again in 1 of 1 workers" in page
    page = console.act("/ops/apps/shop/rebuild").text
    assert "Shop: nothing to build again; worker 4711: it is up." in page
    assert asked == ["broken", "shop"]
    assert [entry["action"] for entry in audit(console)] == ["rebuild", "rebuild"]


def test_a_mount_that_is_mended_is_up_again_at_once(
    console: Console, eventually: Eventually
) -> None:
    broken = row_of(console.host).mounts["broken"]
    assert broken.state == "down"
    assert console.client(roles=None).get("/broken/", buffered=True).status_code == 503
    console.broken.write_text(textwrap.dedent(GREETER))
    page = console.act("/ops/apps/broken/rebuild").text
    assert "Broken: being built again in 1 of 1 workers." in page
    eventually(lambda: broken.state == "up")
    assert console.client(roles=None).get("/broken/", buffered=True).status_code == 200
    page = console.get("/ops/apps/broken").text
    assert "Build again now" not in page
    assert "nothing_there" not in page


def test_what_cannot_be_written_down_is_not_done(console: Console) -> None:
    (console.folder / "ops-audit.jsonl").mkdir()
    page = console.act("/ops/apps/shop/close")
    assert "Nothing was done" in page.text
    assert state(console, "shop") == "up"


def test_what_fails_is_written_down(console: Console) -> None:
    (console.folder / "maintenance").touch()
    page = console.act("/ops/apps/shop/close")
    assert "Nothing was done" in page.text
    assert audit(console)[0]["outcome"].startswith("failed: ")


def test_a_log_that_was_cut_off_or_tampered_with_is_shown_all_the_same(console: Console) -> None:
    console.act("/ops/apps/shop/close")
    path: Path = console.folder / "ops-audit.jsonl"
    path.write_text('cut off}\n[]\n{"at": "x"}\n' + path.read_text() + '{"at": ')
    page = console.get("/ops/audit").text
    assert page.count("Closed for maintenance") == 1

    console.act("/ops/apps/shop/open")  # on a line of its own
    assert console.get("/ops/audit").text.count("Ended maintenance") == 1


def lacking(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    """Return the entry that the host's log has in place of the audit log."""
    (said,) = [text for text in caplog.messages if "ops-audit.jsonl cannot be written" in text]
    entry: dict[str, Any] = json.loads(said[said.index("{") :])
    return entry


def test_what_is_done_and_cannot_be_written_down_is_said_and_logged(
    console: Console, caplog: pytest.LogCaptureFixture
) -> None:
    (console.folder / "ops-audit.jsonl").symlink_to("/dev/full")
    page = console.act("/ops/apps/shop/close", message="Back").text
    assert "closed; the audit log could not be written" in page
    assert "Nothing was done" not in page
    assert state(console, "shop") == "maintenance"
    entry = lacking(caplog)
    assert (entry["who"], entry["who_id"], entry["client"]) == ("ann", "ann", "192.0.2.7")
    assert (entry["action"], entry["app"], entry["outcome"]) == ("close", "shop", "closed")
    assert entry["message"] == "Back"
    assert len(entry["request_id"]) >= 8
    assert datetime.datetime.fromisoformat(entry["at"]).tzinfo is not None


def test_what_fails_and_cannot_be_written_down_is_said_and_logged(
    console: Console, caplog: pytest.LogCaptureFixture
) -> None:
    (console.folder / "ops-audit.jsonl").symlink_to("/dev/full")
    (console.folder / "maintenance").touch()
    page = console.act("/ops/apps/shop/close").text
    assert "Nothing was done: " in page
    assert "No space left" not in page  # what has failed is told, and not what came after it
    assert lacking(caplog)["outcome"].startswith("failed: ")
