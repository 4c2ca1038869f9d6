"""Several threads, several processes, and forks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, text

from tests import databases
from tests.processes import at_once, run
from tests.running import Project, Server
from tests.shared_utils.database.shops import Shop

THREADS, PROCESSES, ROUNDS = 4, 2, 15

SELL = """
import importlib, sys, threading
shop = importlib.import_module(sys.argv[1])
app = shop.create_app(sys.argv[2])

def sell():
    for _ in range(int(sys.argv[4])):
        with app.app_context(), shop.db.write() as session:
            item = session.get(shop.Item, 1, with_for_update=True)
            item.stock += 1

print("ready", flush=True)
sys.stdin.readline()
threads = [threading.Thread(target=sell) for _ in range(int(sys.argv[3]))]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""

FORK = """
import importlib, os, sys
from sqlalchemy import select
shop = importlib.import_module(sys.argv[1])
app = shop.create_app(sys.argv[2])

def write(stock):
    with app.app_context(), shop.db.write() as session:
        session.add(shop.Item(stock=stock))

def held():
    # The connection itself: what it is connected to is shown by its number.
    with app.app_context():
        connection = shop.db.session.connection().connection.dbapi_connection
        return id(connection), getattr(getattr(connection, "info", None), "backend_pid", None)

write(1)
before = held()
for _ in range(3):
    child = os.fork()
    if child == 0:
        mine = held()
        write(2)
        same = mine[0] == before[0] or mine[1] is not None and mine[1] == before[1]
        sys.exit(7 if same else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert held() == before, "the parent keeps its own"
write(3)
with app.app_context():
    print(sorted(shop.db.session.scalars(select(shop.Item.stock))))
"""

CONNECTS_EARLY = """
    import os
    from flask import Flask
    from sqlalchemy import MetaData, text
    from config import configure_app
    from shared_utils import serving
    from shared_utils.database import Database

    db = Database(MetaData())

    def seen():
        connection = db.session.connection().connection.dbapi_connection
        return {
            "process": os.getpid(),
            "connection": connection.info.backend_pid,
            "workers": serving.current().workers,
        }

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)
        db.init_app(app)
        with app.app_context():
            early = seen()
        app.add_url_rule("/", "index", lambda: {"early": early, "now": seen()})
        return app
"""


def test_nothing_is_lost_between_threads_and_processes(
    app: Flask, shop: Shop, database_url: str
) -> None:
    with app.app_context(), shop.db.write() as session:
        session.add(shop.module.Item(id=1, stock=0))
    arguments = (shop.name, database_url, THREADS, ROUNDS)
    with at_once(PROCESSES, SELL, *arguments, path=str(shop.modules.folder)) as sellers:
        assert [seller.wait(120) for seller in sellers] == [0] * PROCESSES

    with app.app_context():
        sold = shop.db.session.scalar(select(shop.module.Item.stock))
    assert sold == THREADS * PROCESSES * ROUNDS


def test_readers_do_not_wait_for_a_writer(app: Flask, shop: Shop) -> None:
    def count() -> int:
        with app.app_context():
            return len(shop.db.session.scalars(select(shop.module.Item.id)).all())

    with ThreadPoolExecutor(1) as other, app.app_context():
        with shop.db.write() as session:
            session.add(shop.module.Item())
            session.flush()
            assert other.submit(count).result(60) == 0
        assert other.submit(count).result(60) == 1


def test_the_second_writer_waits_for_the_first(app: Flask, shop: Shop) -> None:
    """And reads what the first has written: that is what no update is lost by."""
    entering, order = threading.Event(), []
    with app.app_context(), shop.db.write() as session:
        session.add(shop.module.Item(id=1))

    def second() -> None:
        with app.app_context():
            entering.set()
            with shop.db.write() as session:
                item = session.get(shop.module.Item, 1, with_for_update=True)
                order.append(item.stock)

    with ThreadPoolExecutor(1) as other, app.app_context():
        with shop.db.write() as session:
            item = session.get(shop.module.Item, 1, with_for_update=True)
            waiting = other.submit(second)
            assert entering.wait(60)
            order.append("first")
            item.stock = 5
        waiting.result(60)
    assert order == ["first", 5]


def test_how_sqlite_is_set_up(shop: Shop, tmp_path: Path) -> None:
    with shop.app(f"sqlite:///{tmp_path / 'new' / 'file.sqlite3'}").app_context():
        found = {
            pragma: shop.db.session.scalar(text(f"PRAGMA {pragma}"))
            for pragma in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {
        "journal_mode": "wal",
        "synchronous": 1,
        "foreign_keys": 1,
        "busy_timeout": 10_000,
    }


def test_a_child_has_connections_of_its_own(app: Flask, shop: Shop, database_url: str) -> None:
    with run(FORK, shop.name, database_url, path=str(shop.modules.folder)) as process:
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert out == "[1, 2, 2, 2, 3]\n"


@pytest.fixture
def preloaded(tmp_path: Path) -> Iterator[Server]:
    """Serve an app that connects while it is made, in the master: it should not."""
    root = tmp_path / "project"
    root.mkdir()
    project = Project(root)
    project.app("early", CONNECTS_EARLY)
    with databases.fresh("postgresql", tmp_path) as url:
        server = Server(project, "--preload", workers=3, environ={"EARLY_DATABASE_URL": url})
        yield server
        server.stop()


def test_workers_do_not_use_what_the_master_connected(preloaded: Server) -> None:
    seen = [preloaded.get("/early/").json for _ in range(12)]

    early = {answer["early"]["connection"] for answer in seen}
    now = {answer["now"]["process"]: answer["now"]["connection"] for answer in seen}
    assert len(early) == 1
    assert not early & set(now.values())
    assert len(set(now.values())) == len(now), "no two workers share one"
    assert {answer["now"]["workers"] for answer in seen} == {3}
