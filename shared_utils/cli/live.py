"""``rowhouse list --live``: how a host that serves is doing, from its own pages over HTTP."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from shared_utils.cli.console import wide_console
from shared_utils.operations.columns import HEADINGS, columns
from shared_utils.operations.figures import Figures, Sample, latest
from shared_utils.operations.judging import verdicts, worst_first
from shared_utils.operations.reports import Check
from shared_utils.operations.rows import MountRow
from shared_utils.operations.totals import totals_of

if TYPE_CHECKING:
    from rich.table import Table

DEFAULT_URL = "http://127.0.0.1:8000"
EVERY = 2.0
"""Seconds from one look to the next."""
PATIENCE = 5.0
"""Seconds that the host has to answer."""
TOKEN = "ROWHOUSE_METRICS_TOKEN"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Look:
    """What a host says at one moment.

    Attributes:
        ready: its ``/-/ready``, which is that of whichever worker has answered.
        sample: the totals of its metrics.
        down: apps that cannot be served in every worker.
    """

    ready: Mapping[str, Any]
    sample: Sample
    down: Collection[str] = ()


class Host:
    """A host that serves.

    Args:
        url: where it is, with what a proxy puts in front of its paths.

    Raises:
        click.UsageError: it is no URL.
    """

    def __init__(self, url: str) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            raise click.UsageError(f"--url is {url!r}; write one such as {DEFAULT_URL}")
        self._url = url.rstrip("/")

    def look(self) -> Look:
        """Look at it.

        Raises:
            click.ClickException: nothing answers there, or not as a host does.
        """
        from prometheus_client.parser import text_string_to_metric_families  # only here

        text = self._get("/-/metrics")
        try:
            ready = json.loads(self._get("/-/ready?verbose"))
            families = list(text_string_to_metric_families(text))
            return Look(
                ready=ready["mounts"],
                sample=Sample(at=time.time(), apps=totals_of(families)),
                down={
                    sample.labels["app"]
                    for family in families
                    for sample in family.samples
                    if sample.name == "rowhouse_app_up" and not sample.value
                },
            )
        except (ValueError, KeyError, TypeError):
            raise click.ClickException(f"what answers at {self._url} is no Rowhouse") from None

    def _get(self, path: str) -> str:
        request = urllib.request.Request(self._url + path)
        if token := os.environ.get(TOKEN):
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            if path.startswith("/-/ready") and error.code == 503:
                return str(error.read().decode())  # it tells which app is not there
            hint = f"; set {TOKEN} to what the host has" if error.code in (401, 403, 404) else ""
            message = f"{self._url}{path} answers {error.code}{hint}"
            raise click.ClickException(message) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise click.ClickException(
                f"nothing answers at {self._url} ({reason}); is it served there? "
                "Start it with rowhouse serve, or write --url"
            ) from None


def show_live(url: str, *, as_json: bool) -> None:
    """Show the figures of a host until Ctrl-C; into a pipe, or as JSON, once.

    Raises:
        click.ClickException: nothing answers at first.
    """
    host = Host(url)
    looks = [host.look()]
    if as_json or not sys.stdout.isatty():
        time.sleep(EVERY)  # figures are what lies between two looks
        looks.append(host.look())
        if as_json:
            click.echo(json.dumps({"mounts": [plain(row) for row in rows_of(looks)]}, indent=2))
        else:
            wide_console().print(_table(rows_of(looks)))
        return
    with contextlib.suppress(KeyboardInterrupt):
        _refresh(host, looks)


def _refresh(host: Host, looks: list[Look]) -> None:
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    note = ""
    # In a screen of its own: what was in the terminal before is there again afterwards.
    with Live(console=wide_console(), screen=True, auto_refresh=False) as live:
        while True:
            when = time.strftime("%H:%M:%S", time.localtime(looks[-1].sample.at))
            under = Text(
                note or f"\n{when}, every {EVERY:g} s; Ctrl-C ends", "red" if note else "dim"
            )
            live.update(Group(_table(rows_of(looks)), under), refresh=True)
            time.sleep(EVERY)
            try:
                looks.append(host.look())
                note = ""
            except click.ClickException as error:
                note = f"\n{error.message}"
            del looks[:-10]


def rows_of(looks: list[Look]) -> list[MountRow]:
    """Return a row for each mount, those in trouble first."""
    figures = latest([look.sample for look in looks])
    last = looks[-1]
    rows = [
        _row(name, told, figures.get(name, Figures()), is_down=name in last.down)
        for name, told in last.ready.items()
    ]
    return list(worst_first(rows))


def plain(row: MountRow) -> dict[str, Any]:
    """Return a row in plain values, for programs."""
    return {
        "name": row.name,
        "prefix": row.prefix,
        "state": row.state,
        "required": row.required,
        **dataclasses.asdict(row.figures),
        "failing_checks": {check.name: check.detail for check in row.failing_checks},
        "problems": [verdict.words for verdict in row.verdicts],
    }


def _row(name: str, told: Mapping[str, Any], figures: Figures, *, is_down: bool) -> MountRow:
    state = str(told["state"])
    if is_down and state == "up":  # here, but not in every worker
        state = "down"
    row = MountRow(
        name=name,
        title=name,
        prefix=told.get("prefix"),
        required=bool(told.get("required")),
        state=state,
        down=int(state == "down"),
        starting=int(state == "starting"),
        running=figures.running,
        parked=figures.parked,
        checks=tuple(
            Check(name=check["name"], ok=check["ok"], detail=check["detail"])
            for check in told.get("checks", ())
        ),
        figures=figures,
    )
    return dataclasses.replace(row, verdicts=tuple(verdicts(row, 1)))


def _table(rows: list[MountRow]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("App", no_wrap=True)
    table.add_column("State", no_wrap=True)
    for heading in HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("What is wrong", overflow="fold")
    for row in rows:
        words = "; ".join(verdict.words for verdict in row.verdicts)
        style = "bold red" if row.is_troubled else "yellow" if row.verdicts else ""
        table.add_row(
            Text(row.name, style),
            Text(row.state, style),
            *(column.shown for column in columns(row)),
            Text(words, style),
        )
    return table
