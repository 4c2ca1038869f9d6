from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shared_utils.hosting.telemetry.metrics import Metrics
from shared_utils.hosting.telemetry.record import Record
from tests.running import REPOSITORY, clean_environment


def sums(*seconds: float) -> dict[str, float]:
    metrics = Metrics(["shop"])
    for duration in seconds:
        record = Record(app="shop", method="GET")
        record.status, record.duration, record.cpu = 200, duration, duration
        metrics.answered(record)
        metrics.finished([record])
    return {
        sample.name: sample.value
        for metric in metrics.collect()
        for sample in metric.samples
        if sample.labels.get("app") == "shop"
        and sample.name.endswith(("_sum", "cpu_seconds_total"))
    }


def test_sums_do_not_depend_on_the_order_in_which_workers_are_added_up() -> None:
    assert 0.1 + 0.2 + 0.3 != 0.3 + 0.2 + 0.1
    forwards = sums(0.1, 0.2, 0.3)
    assert len(forwards) == 2
    assert forwards == sums(0.3, 0.2, 0.1)


@pytest.mark.parametrize(
    "accept", ["", ";;;", "application/openmetrics-text;version=a.b", "text/plain;version=1..0"]
)
def test_whatever_is_accepted_there_is_a_text(accept: str) -> None:
    text, content_type = Metrics(["shop"]).text(accept)
    assert b'rowhouse_app_cpu_seconds_total{app="shop"} 0.0' in text
    assert content_type.startswith("text/plain")


RELOADED = """
import os, sys
from shared_utils.hosting.telemetry import metrics  # the master started, and had no directory
os.environ["PROMETHEUS_MULTIPROC_DIR"] = sys.argv[1]  # the reload has chosen one
from shared_utils.hosting.telemetry.record import Record

counting = metrics.Metrics(["shop"])
record = Record(app="shop", method="GET")
record.status = 200
counting.answered(record)
assert b'rowhouse_requests_total{app="shop",method="GET",status="200"} 1.0' in counting.text()[0]
"""


def test_a_directory_that_comes_with_a_reload_is_used(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", RELOADED, str(tmp_path)],
        env=clean_environment(),
        cwd=REPOSITORY,
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert list(tmp_path.glob("counter_*.db"))
