"""docs/operations.md: what can be copied from there is what its programs take."""

from __future__ import annotations

import re
import shutil
import subprocess
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared_utils.hosting.settings.reading import check
from shared_utils.hosting.settings.schema import OperatorFile
from shared_utils.hosting.telemetry.metrics import Metrics
from shared_utils.operations.verdicts import Kind
from tests.requirements import needed

TEXT = (Path(__file__).parents[1] / "docs" / "operations.md").read_text()
BLOCKS = {
    found[1]: textwrap.dedent(found[0])
    for found in re.finditer(r"(?:^    # (\S+)\n)(?:^(?:    .*)?\n)+", TEXT, re.MULTILINE)
}


def test_nginx_takes_its_file(tmp_path: Path) -> None:
    nginx = needed(shutil.which("nginx"), "nginx")
    (tmp_path / "conf").write_text(
        f"pid {tmp_path}/pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; {BLOCKS['/etc/nginx/conf.d/rowhouse.conf']} }}"
    )
    ran = subprocess.run(
        [nginx, "-t", "-c", tmp_path / "conf", "-p", tmp_path], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert "[warn]" not in ran.stderr


@pytest.mark.parametrize("service", ["rowhouse.service", "rowhouse-worker.service"])
def test_systemd_takes_its_files(tmp_path: Path, service: str) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd is not installed here")
    text = BLOCKS[f"/etc/systemd/system/{service}"]
    # What it starts has to be there.
    text = re.sub(r"/srv/rowhouse/\S+", "/bin/true", text).replace("/srv/rowhouse", str(tmp_path))
    text = text.replace("User=rowhouse", "User=root")
    (tmp_path / service).write_text(text)
    ran = subprocess.run([program, "verify", tmp_path / service], capture_output=True, text=True)
    assert service not in ran.stderr, ran.stderr


def test_prometheus_is_told_in_yaml() -> None:
    job = yaml.safe_load(BLOCKS["prometheus.yml"])["scrape_configs"][0]
    assert job["metrics_path"] == "/-/metrics"
    assert job["static_configs"][0]["targets"]


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(BLOCKS["rowhouse-alerts.yml"])["groups"]
    return list(group["rules"])


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_is_about_metrics_that_there_are(rule: dict[str, Any]) -> None:
    known = set(Metrics(["shop"]).names()) | {"up"}
    used = set(re.findall(r"\b(rowhouse_\w+|up)\b(?!\")", rule["expr"]))
    assert used
    assert {name.removesuffix("_bucket") for name in used} <= known
    assert rule["expr"].count("(") == rule["expr"].count(")")


def test_each_alert_has_a_reason() -> None:
    block = BLOCKS["rowhouse-alerts.yml"]
    for alert in block.split("- alert: ")[1:]:
        assert re.search(r"^ +# \w", alert, re.MULTILINE), alert


def test_whatever_the_console_says_is_explained() -> None:
    words = {"check": "Check fails", "maintenance": "In maintenance"}
    for kind in set(Kind) - {Kind.STARTING}:
        assert f"| {words.get(kind.word, kind.word.capitalize())} |" in TEXT


def test_settings_are_settings() -> None:
    blocks = re.findall(r"`rowhouse\.toml`:\n\n((?:    .*\n)+)", TEXT)
    assert blocks
    for block in blocks:
        data = tomllib.loads(textwrap.dedent(block))
        assert data, block
        assert check(data, "rowhouse.toml", OperatorFile).mistakes == (), block
