from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import event, select, text
from sqlalchemy.exc import DatabaseError, IntegrityError

from shared_utils.database import Database
from tests.shared_utils.database.shops import OpenShop, Shop


def stocks(shop: Shop) -> list[int]:
    item = shop.module.Item
    return list(shop.db.session.scalars(select(item.stock).order_by(item.id)))


def test_nothing_connects_before_it_is_used(shop: Shop, tmp_path: Path) -> None:
    app = shop.app("postgresql://nobody@127.0.0.1:1/nowhere")
    lazy = shop.app("sqlite:///folder/file.sqlite3")
    with lazy.app_context():
        assert shop.db.session
    with app.app_context():
        assert shop.db.engine.pool.status()
        with pytest.raises(DatabaseError):
            shop.db.session.execute(text("SELECT 1"))

    assert not (tmp_path / "instance").exists()


def test_a_write_is_committed_at_its_end(app: Flask, shop: Shop) -> None:
    with app.app_context():
        with shop.db.write() as session:
            added = shop.module.Item(stock=3)
            session.add(added)
        assert added.id == 1, "objects stay usable"
    with app.app_context():
        assert stocks(shop) == [3]


def test_an_error_rolls_all_of_it_back(app: Flask, shop: Shop) -> None:
    with app.app_context():
        with pytest.raises(KeyError), shop.db.write() as session:
            session.add(shop.module.Item())
            session.flush()
            raise KeyError
        assert stocks(shop) == []
        with shop.db.write() as session:
            session.add(shop.module.Item(stock=1))
        assert stocks(shop) == [1]


def test_reading_after_a_write_sees_it(app: Flask, shop: Shop) -> None:
    with app.app_context():
        with shop.db.write() as session:
            session.add(shop.module.Item(id=1, stock=1))
        seen = shop.db.session.get(shop.module.Item, 1)
        with shop.db.write() as session:
            session.get(shop.module.Item, 1).stock = 2

        assert seen.stock == 2
        assert stocks(shop) == [2]


def test_reading_is_closed_with_the_context(app: Flask, shop: Shop) -> None:
    with app.app_context():
        stocks(shop)
        pool = shop.db.engine.pool
        assert pool.checkedout() == 1
    assert pool.checkedout() == 0


def test_a_request_never_holds_two_connections(shop: Shop, app: Flask, database_url: str) -> None:
    """Or requests that read and then write could wait for one another without end."""
    narrow = shop.app(database_url, DATABASE_POOL_SIZE=1)
    with narrow.app_context():
        opened = []
        event.listen(shop.db.engine, "checkout", lambda *_: opened.append(pool.checkedout()))
        pool = shop.db.engine.pool
        for stock in range(3):
            assert len(stocks(shop)) == stock
            with shop.db.write() as session:
                session.add(shop.module.Item(stock=stock))
    assert set(opened) == {1}


def test_the_reading_session_refuses_to_write(app: Flask, shop: Shop) -> None:
    with app.app_context():
        shop.db.session.add(shop.module.Item())
        with pytest.raises(RuntimeError, match=r"write with: with db.write\(\)"):
            shop.db.session.commit()
        shop.db.session.rollback()
        assert stocks(shop) == []


def test_a_write_inside_a_write_is_refused(app: Flask, shop: Shop) -> None:
    with (
        app.app_context(),
        shop.db.write(),
        pytest.raises(RuntimeError, match="pass its session on"),
        shop.db.write(),
    ):
        pass


def test_references_are_checked(app: Flask, shop: Shop) -> None:
    with app.app_context(), pytest.raises(IntegrityError), shop.db.write() as session:
        session.add(shop.module.Note(item_id=9))


def test_what_users_entered_is_not_in_errors(app: Flask, shop: Shop) -> None:
    with app.app_context(), pytest.raises(IntegrityError) as caught, shop.db.write() as session:
        session.add(shop.module.Item(id=1))
        session.flush()
        session.add(shop.module.Item(id=1, name="hunter2"))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("statement", ["SELECT * FROM missing", "SELECT missing FROM {}_item"])
def test_what_is_not_there_yet_says_what_makes_it(app: Flask, shop: Shop, statement: str) -> None:
    with app.app_context(), pytest.raises(DatabaseError) as caught:
        shop.db.session.execute(text(statement.format(shop.name)))
    assert caught.value.__notes__ == [
        f"Is the database up to date? Run: rowhouse db upgrade {shop.name}"
    ]


def test_an_app_without_a_database_says_so(shop: Shop) -> None:
    bare = Flask("bare", root_path="/")
    with bare.app_context(), pytest.raises(LookupError, match=r"call db.init_app\(app\)"):
        assert shop.db.session


def test_the_database_of_another_app_is_not_reached(app: Flask, open_shop: OpenShop) -> None:
    other: Database = open_shop().db
    with app.app_context(), pytest.raises(LookupError, match="has another database"):
        assert other.session
