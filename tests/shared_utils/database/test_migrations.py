from __future__ import annotations

import pytest
from alembic.util import CommandError
from flask import Flask
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import DatabaseError

from shared_utils.database import migrations, upgrade
from tests.processes import at_once
from tests.shared_utils.database.shops import OpenShop, Shop

SECOND = """
    import sqlalchemy as sa
    from alembic import op

    revision, down_revision = "2", "1"

    def upgrade():
        {work}
"""

UPGRADE = """
import importlib, sys
from shared_utils.database import upgrade
app = importlib.import_module(sys.argv[1]).create_app(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
done = upgrade(app)
print(done.before, done.now)
"""


def tables(app: Flask, shop: Shop) -> set[str]:
    with app.app_context():
        return set(inspect(shop.db.engine).get_table_names())


def test_upgrade_makes_the_tables_once(shop: Shop, database_url: str) -> None:
    app = shop.app(database_url)
    assert (migrations.current(app).now, migrations.current(app).newest) == (None, "1")

    first, second = upgrade(app), upgrade(app)

    assert (first.name, first.before, first.now) == (shop.name, None, "1")
    assert (second.before, second.now, second.newest) == ("1", "1", "1")
    assert migrations.current(app) == second
    assert tables(app, shop) == {
        f"alembic_version_{shop.name}",
        f"{shop.name}_item",
        f"{shop.name}_note",
    }


def test_asking_makes_no_file(shop: Shop, database_url: str) -> None:
    app = shop.app("sqlite:///new.sqlite3")
    assert migrations.current(app).now is None
    assert not (shop.modules.folder.parent / "instance").exists()


def test_an_app_without_migrations_has_nothing_to_do(shop: Shop, database_url: str) -> None:
    for file in shop.versions.iterdir():
        file.unlink()
    done = upgrade(shop.app(database_url))
    assert (done.before, done.now, done.newest) == (None, None, None)


def test_several_processes_upgrade_at_once(shop: Shop, database_url: str) -> None:
    folder = str(shop.modules.folder)
    with at_once(4, UPGRADE, shop.name, database_url, path=folder) as processes:
        said = sorted(process.communicate(timeout=120)[0] for process in processes)

    assert said == ["1 1\n", "1 1\n", "1 1\n", "None 1\n"]


def test_an_upgrade_that_fails_leaves_everything_as_it_was(
    app: Flask, shop: Shop, database_url: str
) -> None:
    before = tables(app, shop)
    work = 'op.create_table("t", sa.Column("x", sa.Integer)); op.execute("nonsense")'
    shop.migrate(SECOND.format(work=work), "second")

    with pytest.raises(DatabaseError):
        upgrade(app)

    assert tables(app, shop) == before
    assert migrations.current(app).now == "1"


def test_a_table_that_is_changed_keeps_what_refers_to_it(app: Flask, shop: Shop) -> None:
    """SQLite makes another table for that, and drops the first."""
    item, note = shop.module.Item, shop.module.Note
    with app.app_context(), shop.db.write() as session:
        session.add(item(id=1))
        session.flush()
        session.add(note(item_id=1))
    work = f"""with op.batch_alter_table("{shop.name}_item", recreate="auto") as batch:
            batch.alter_column("name", nullable=True)"""
    shop.migrate(SECOND.format(work=work), "second")

    assert upgrade(app).now == "2"

    with app.app_context():
        assert shop.db.session.scalars(select(note.item_id)).all() == [1]


def test_an_upgrade_that_leaves_dangling_references_is_undone(app: Flask, shop: Shop) -> None:
    with app.app_context(), shop.db.write() as session:
        session.add(shop.module.Item(id=1))
        session.flush()
        session.add(shop.module.Note(item_id=1))
    work = f'op.execute("UPDATE {shop.name}_note SET item_id = 9")'
    shop.migrate(SECOND.format(work=work), "second")

    with pytest.raises(DatabaseError):
        upgrade(app)

    assert migrations.current(app).now == "1"


def test_two_newest_revisions_are_refused(app: Flask, shop: Shop) -> None:
    for revision in ("2", "3"):
        source = SECOND.format(work="pass").replace('"2", "1"', f'"{revision}", "1"')
        shop.migrate(source, f"r{revision}")
    with pytest.raises(CommandError, match="multiple head"):
        upgrade(app)


def test_revision_writes_what_the_models_want(shop: Shop, database_url: str) -> None:
    app = shop.app(database_url)
    (shop.versions / "first.py").unlink()

    file = migrations.revision(app, "Make items & notes!")

    assert file is not None
    assert file.parent == shop.versions
    assert file.name.startswith("r20")
    assert file.name.endswith("_make_items_notes.py")
    source = file.read_text()
    assert "sa.Column('price', ExactDecimal(), nullable=True)" in source
    assert "from shared_utils.database import ExactDecimal" in source
    upgrade(app)
    assert migrations.revision(app, "Again") is None
    assert list(shop.versions.glob("*.py")) == [file]


def test_revision_asks_for_the_newest_database(shop: Shop, database_url: str) -> None:
    with pytest.raises(CommandError, match="not up to date"):
        migrations.revision(shop.app(database_url), "Too early")


def test_an_empty_revision_is_there_to_be_filled_in(app: Flask, shop: Shop) -> None:
    file = migrations.revision(app, "Fill in", empty=True)
    assert file is not None
    assert 'down_revision = "1"' in file.read_text()
    assert upgrade(app).before == "1"


def test_two_apps_may_share_a_database(open_shop: OpenShop, database_url: str) -> None:
    """Each has its own version table, and wants nothing of the other's tables changed."""
    one, two = open_shop(), open_shop()
    apps = [one.app(database_url), two.app(database_url)]
    for app in apps:
        upgrade(app)
    with apps[0].app_context(), one.db.write() as session:
        session.execute(text("CREATE TABLE of_nobody (x INTEGER)"))

    assert [migrations.revision(app, "nothing") for app in apps] == [None, None]
    assert [migrations.current(app).now for app in apps] == ["1", "1"]
    assert len(tables(apps[0], one)) == 7
