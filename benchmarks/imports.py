"""``trades``: CSV imports, positions over 100,000 trades, and pages deep in a list of them.

Every import runs in a worker of its own on an empty database. It is timed from when its file lies
there to when its row says that it is done, so the broker's time (files, looked at five times a
second) is in it. Beside it stands an import as one might write it first: the whole file at once,
an ORM object for each row, one transaction; it knows no row errors, no progress, and could not be
repeated.

Pages are asked for one after the other on one connection, by somebody who is signed in; a figure is
the median of several in one round. What they stand beside is served by the same gunicorn.

Limits: client, gunicorn, worker and PostgreSQL share the machine. One process for tasks.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.client import Connection, connected
from benchmarks.ledgers import SERVER, Imported, Ledger, run_on_server, write_csv
from benchmarks.pairs import Comparison, Section, interleaved
from benchmarks.servers import served

ROUNDS = 2
SMALL, USUAL, LARGE = 10_000, 100_000, 300_000
FASTEST = 10_000
"""Rows a second that an import has to reach."""
ASKED = 5

_API, _LEDGER = "/trades/api/v1", "/trades/ledger/"
_TRADE = {"symbol": "ZZCO", "side": "buy", "quantity": "1", "price": "1"}


def measure(rounds: int | None) -> Section:
    """Measure it on SQLite and, where there is a server, on PostgreSQL."""
    comparisons: list[Comparison] = []
    missing = _missing()
    with tempfile.TemporaryDirectory(prefix="rowhouse-") as temporary:
        folder = Path(temporary)
        files = {rows: write_csv(folder / f"{rows}.csv", rows) for rows in (SMALL, USUAL, LARGE)}
        for kind, name in (("sqlite", "SQLite"), ("postgresql", "PostgreSQL")):
            if kind == "postgresql" and missing:
                continue
            ledger = Ledger(folder / kind, kind)
            try:
                comparisons += _of_imports(ledger, files, name, rounds or ROUNDS)
                comparisons += _of_pages(ledger, name, rounds or ROUNDS)
            finally:
                ledger.drop()
    return Section(
        title="imports: trades, in a task worker and behind one gunicorn worker",
        unit="",
        notes=(
            "Each import in a process of its own, on an empty database; pages over 100,000 trades "
            f"of 60 symbols on 1,500 days.{missing and f' PostgreSQL: skipped, {missing}.'}"
        ),
        comparisons=comparisons,
    )


def _missing() -> str:
    """Return why there is no PostgreSQL; empty where there is."""
    if importlib.util.find_spec("psycopg") is None:
        return "psycopg is not installed"
    from psycopg import OperationalError

    try:
        run_on_server("SELECT 1")
    except OperationalError:
        return f"no server at {SERVER.rpartition('@')[2]} (BENCH_POSTGRESQL_URL)"
    return ""


def _of_imports(
    ledger: Ledger, files: dict[int, Path], name: str, rounds: int
) -> Iterator[Comparison]:
    small = ledger.imported(files[SMALL], SMALL).peak / 2**20
    large = ledger.imported(files[LARGE], LARGE).peak / 2**20
    # Either leaves the trades that pages are asked of afterwards.
    cases: dict[str, Callable[[int], Imported]] = {
        "naive": lambda _: ledger.naively_imported(files[USUAL], USUAL),
        "ours": lambda _: ledger.imported(files[USUAL], USUAL),
    }
    figures = interleaved(cases, rounds, warm_up=False)
    rates = {case: [each.rate for each in figures[case]] for case in cases}
    peaks = {case: [each.peak / 2**20 for each in figures[case]] for case in cases}
    row = functools.partial(Comparison, unit="rows/s", figures=rates["ours"])
    yield row(
        what=f"{name}: import of {USUAL:,} rows",
        beside="the target",
        others=[FASTEST] * rounds,
        at_least=1.0,
    )
    yield row(
        what=f"{name}: import of {USUAL:,} rows",
        beside="whole, by ORM objects",
        others=rates["naive"],
    )
    row = functools.partial(Comparison, unit="MB")
    beside = f"{SMALL:,} rows"
    yield row(
        what=f"{name}: peak memory, {USUAL:,} rows",
        figures=peaks["ours"],
        beside=beside,
        others=[small] * rounds,
        at_most=1.2,
    )
    yield row(
        what=f"{name}: peak memory, {LARGE:,} rows",
        figures=[large],
        beside=beside,
        others=[small],
        at_most=1.2,
    )
    yield row(
        what=f"{name}: peak memory, {USUAL:,} rows",
        figures=peaks["ours"],
        beside="whole, by ORM objects",
        others=peaks["naive"],
    )


@dataclasses.dataclass(frozen=True)
class _Reader:
    """Somebody who is signed in, and reads."""

    connection: Connection
    cookie: str

    def seconds(self, path: str) -> float:
        began = time.perf_counter()
        self.body(path)
        return time.perf_counter() - began

    def body(self, path: str) -> bytes:
        self.connection.send(path, self.cookie)
        status, body = self.connection.receive()
        if status != 200:
            raise RuntimeError(f"{path} answers {status}: {body[:500]!r}")
        return body


def _of_pages(ledger: Ledger, name: str, rounds: int) -> Iterator[Comparison]:
    with served(ledger.folder) as server, connected(server.address) as [connection]:
        server.first("/-/live")
        reader = _Reader(connection, ledger.cookie)
        _wait(server.address, ledger.cookie)
        deep = _place_after(reader, USUAL - 500)

        def median(path: str) -> Callable[[int], float]:
            return lambda _: statistics.median(1e3 * reader.seconds(path) for _ in range(ASKED))

        def after_a_change(path: str) -> Callable[[int], float]:
            def asked(number: int) -> float:
                _record(server.address, ledger.cookie)
                return 1e3 * reader.seconds(path)

            return asked

        figures = interleaved(
            {
                "positions, API": median(f"{_API}/positions"),
                "changed, API": after_a_change(f"{_API}/positions"),
                "positions, page": median(f"{_LEDGER}positions"),
                "changed, page": after_a_change(f"{_LEDGER}positions"),
                "first, API": median(f"{_API}/trades?limit=50"),
                "deep, API": median(f"{_API}/trades?limit=50&before={deep}"),
                "first, page": median(_LEDGER),
                "deep, page": median(f"{_LEDGER}?before={deep}"),
                "offset, API": median(f"/offset/api/v1/offset?skip={USUAL - 500}"),
            },
            rounds,
        )
    row = functools.partial(Comparison, unit="ms")
    for how in ("API", "page"):
        yield row(
            what=f"{name}: positions, {how}",
            figures=figures[f"positions, {how}"],
            beside="200 ms, the target",
            others=[200.0] * rounds,
            at_most=1.0,
        )
        yield row(
            what=f"{name}: positions, {how}",
            figures=figures[f"positions, {how}"],
            beside="reckoned after a change",
            others=figures[f"changed, {how}"],
        )
    for how in ("API", "page"):
        yield row(
            what=f"{name}: 50 trades after {USUAL - 500:,}, {how}",
            figures=figures[f"deep, {how}"],
            beside="the first 50",
            others=figures[f"first, {how}"],
            at_most=1.5,
        )
    yield row(
        what=f"{name}: 50 trades after {USUAL - 500:,}, API",
        figures=figures["deep, API"],
        beside="by OFFSET",
        others=figures["offset, API"],
    )


def _wait(address: tuple[str, int], cookie: str) -> None:
    """Ask each app until it is there."""
    for path in (f"{_API}/trades", "/offset/api/v1/offset?skip=0"):
        until = time.monotonic() + 60
        while (status := _answered(address, "GET", path, cookie)) != 200:
            if status != 503 or time.monotonic() > until:
                raise RuntimeError(f"{path} answers {status}")


def _place_after(reader: _Reader, trades: int) -> str:
    """Return the place in the list after so many trades, as the links of pages lead there."""
    older, seen = f"{_API}/trades?limit=500", 0
    while seen < trades:
        page = json.loads(reader.body(older))
        seen, older = seen + len(page["trades"]), page["older"]
    return str(older.rpartition("before=")[2].partition("&")[0])


def _record(address: tuple[str, int], cookie: str) -> None:
    status = _answered(address, "POST", f"{_API}/trades", cookie, traded_on="2024-05-06", **_TRADE)
    if status != 201:
        raise RuntimeError(f"a trade is answered {status}")


def _answered(address: tuple[str, int], method: str, path: str, cookie: str, **sent: str) -> int:
    connection = HTTPConnection(*address, timeout=60)
    headers = {"Cookie": cookie, "Content-Type": "application/json"}
    connection.request(method, path, json.dumps(sent) if sent else None, headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status
