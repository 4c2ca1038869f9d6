"""A Rowhouse with ``trades`` alone, on a database of its own, and what is done in it.

Every import runs in a process of its own on an empty database: in a real task worker, or, for
comparison, as one might write it first (``naive.py``).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import projects, servers
from shared_utils.identity.keys import new_key
from shared_utils.identity.tokens import Identity, issue
from shared_utils.sibling import IDENTITY_COOKIE

SERVER = os.environ.get("BENCH_POSTGRESQL_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
PATIENCE = 300.0
OWNER = "ann"

_SYMBOLS = [f"{first}{second}CO" for first in "ABCDEF" for second in "ABCDEFGHIJ"]
_DAYS = 1500

_IMPORT = """\
import json, sys, time
from pathlib import Path
from apps.trades import create_app
from apps.trades.database import db
from apps.trades.imports import store, tasks, uploads

with create_app().app_context():
    with Path(sys.argv[1]).open("rb") as file:
        upload = uploads.save(file)
    began = time.perf_counter()
    job = store.add("ann", filename="trades.csv", upload=upload)
    tasks.run.ring(job.id)
    while not job.finished:
        time.sleep(0.02)
        db.session.rollback()
        job = store.find("ann", job.id)
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "added": job.added, "error": job.error}))
"""

_NAIVE = """\
import csv, io, json, resource, sys, time
from collections import Counter
from pathlib import Path
from apps.trades import create_app
from apps.trades.database import db
from apps.trades.ledger import forms
from apps.trades.ledger.models import Trade, row_of

with create_app().app_context():
    began, seen = time.perf_counter(), Counter()
    rows = list(csv.DictReader(io.StringIO(Path(sys.argv[1]).read_text())))
    with db.write() as session:
        for row in rows:
            draft = forms.read(row)
            known_by = draft.symbol, draft.traded_on, draft.terms
            seen[known_by] += 1
            session.add(Trade(**row_of("ann", draft, seen[known_by])))
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "added": len(rows), "error": "", "peak": peak}))
"""

_OFFSET = """\
from flask import request
from sqlalchemy import select
from apps.trades import create_app as trades
from apps.trades.database import db
from apps.trades.ledger.models import Trade
from apps.trades.ledger.schemas import TradesOut
from apps.trades.owners import owner


def create_app():
    app = trades()

    @app.get("/api/v1/offset")
    def page():
        query = select(Trade).where(Trade.owner == owner())
        query = query.order_by(Trade.traded_on.desc(), Trade.id.desc())
        found = db.session.scalars(query.offset(int(request.args["skip"])).limit(51)).all()
        made = TradesOut.model_validate({"trades": found[:50], "older": "?"}, from_attributes=True)
        return made.model_dump(mode="json")

    return app
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Imported:
    """How an import went.

    Attributes:
        rate: rows a second, from the upload's end to the row that says it is done.
        peak: bytes of memory that the process which imported ever held (VmHWM).
    """

    rate: float
    peak: float


class Ledger:
    """The project, whose database is emptied before each import."""

    def __init__(self, folder: Path, kind: str) -> None:
        key = new_key()
        public = key.as_pem(private=False).decode()
        config = f'IDENTITY_PUBLIC_KEYS = """{public}"""\n'
        offset = '[mounts.offset]\napp = "offset:create_app()"\nidentity = true\n'
        mounts = f"{offset}[mounts.offset.config]\n{config}[mounts.trades.config]\n{config}"
        scripts = {"import.py": _IMPORT, "naive.py": _NAIVE, "offset.py": _OFFSET}
        files = {"rowhouse.toml": mounts, "apps/__init__.py": ""} | scripts
        self.folder = projects.rowhouse(folder, files)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(projects.ROOT / "apps/trades", folder / "apps/trades", ignore=ignored)
        (folder / "instance").mkdir()
        token = issue(Identity(id=OWNER, name=OWNER), key)
        self.cookie = f"{IDENTITY_COOKIE}={token}"
        self._schema = f"rowhouse_bench_{os.getpid()}" if kind == "postgresql" else ""

    def imported(self, file: Path, rows: int) -> Imported:
        """Import a file in a task worker of its own, which has one process for tasks."""
        self._empty()
        with self._worker() as worker:
            told = self._told("import.py", str(file), rows=rows)
            peak = max(_peak(pid) for pid in _children(worker.pid))
        return Imported(rate=rows / told["seconds"], peak=peak)

    def naively_imported(self, file: Path, rows: int) -> Imported:
        """Import it whole: every row an object, all in one transaction."""
        self._empty()
        told = self._told("naive.py", str(file), rows=rows)
        return Imported(rate=rows / told["seconds"], peak=told["peak"])

    def drop(self) -> None:
        """Take away what is left outside of the folder."""
        if self._schema:
            run_on_server(f"DROP SCHEMA IF EXISTS {self._schema} CASCADE")

    def _empty(self) -> None:
        self.drop()
        for file in (self.folder / "instance").glob("trades.sqlite3*"):
            file.unlink()
        url = ""
        if self._schema:
            run_on_server(f"CREATE SCHEMA {self._schema}")
            url = f"{SERVER}?options=-csearch_path%3D{self._schema}"
        for name in ("trades", "offset"):
            (self.folder / "instance" / f"{name}.py").write_text(f"DATABASE_URL = {url!r}\n")
        self._run("-m", "dispatcher", "db", "upgrade", "trades")

    def _told(self, *arguments: str, rows: int) -> dict[str, float]:
        told: dict[str, float] = json.loads(self._run(*arguments).splitlines()[-1])
        if told["added"] != rows:
            raise RuntimeError(f"{rows} rows should have been added: {told}")
        return told

    def _run(self, *arguments: str) -> str:
        ran = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self._environ(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        if ran.returncode:
            raise RuntimeError(f"{' '.join(arguments)}: {ran.stderr[-2000:]}")
        return ran.stdout

    def _environ(self) -> dict[str, str]:
        return servers.environ("TRADES_", "PYTHON") | {"PYTHONPATH": str(self.folder)}

    @contextlib.contextmanager
    def _worker(self) -> Iterator[subprocess.Popen[bytes]]:
        log = self.folder / "worker.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "dispatcher", "worker", "-Q", "trades", "--concurrency=1"],
                cwd=self.folder,
                env=self._environ(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            until = time.monotonic() + PATIENCE
            while "the worker listens to" not in log.read_text():
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"no worker: {log.read_text()[-2000:]}")
                time.sleep(0.02)
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def write_csv(path: Path, rows: int) -> Path:
    """Write a file of trades: days in order, 60 symbols, now and then two rows alike."""
    chance = random.Random(rows)
    with path.open("w") as file:
        file.write("traded_on,symbol,side,quantity,price\n")
        for number in range(rows):
            day = number * _DAYS // rows
            file.write(
                f"{2018 + day // 336}-{day // 28 % 12 + 1:02}-{day % 28 + 1:02},"
                f"{chance.choice(_SYMBOLS)},{chance.choice(['buy', 'buy', 'sell'])},"
                f"{chance.randint(1, 500)},{chance.uniform(5, 900):.2f}\n"
            )
    return path


def run_on_server(statement: str) -> None:
    """Run a statement on the PostgreSQL server.

    Raises:
        psycopg.OperationalError: there is none.
    """
    import psycopg  # an extra: only where there is a server

    with psycopg.connect(SERVER, autocommit=True, connect_timeout=5) as connection:
        connection.execute(statement.encode())


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(kid) for task in tasks for kid in (task / "children").read_text().split()]


def _peak(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    if found is None:
        raise RuntimeError(f"the kernel does not tell the peak memory of process {pid}")
    return int(found[1]) * 1024
