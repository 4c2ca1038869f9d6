from __future__ import annotations

from typing import Any

import pytest

from shared_utils.tasks import broker


def told(url: str = "", **environ: str) -> dict[str, Any]:
    return broker.settings({"ROWHOUSE_BROKER_URL": url, **environ})


@pytest.mark.parametrize("url", ["", "filesystem://"])
def test_by_default_messages_are_files_in_the_instance_folder(url: str) -> None:
    options = told(url)["broker_transport_options"]
    assert options["folder"] == str(broker.ROOT / "instance" / "run" / "broker")
    assert told(url)["result_backend"] is None


def test_another_folder() -> None:
    options = told("filesystem:///var/lib/row%20house")["broker_transport_options"]
    assert options["folder"] == "/var/lib/row house"


def test_a_server_of_ones_own_and_a_part_of_a_shared_one() -> None:
    assert told("redis://h:1/2")["broker_url"] == "redis://h:1/2"
    shared = told("redis://h:1/2?global_keyprefix=row:")
    assert shared["broker_url"] == "redis://h:1/2"
    assert shared["broker_transport_options"]["global_keyprefix"] == "row:"
    assert told("amqp://h//v")["broker_url"] == "amqp://h//v"
    assert told(ROWHOUSE_RESULT_URL="redis://h")["result_backend"] == "redis://h"
