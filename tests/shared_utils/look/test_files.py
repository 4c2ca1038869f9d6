from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from shared_utils.look import files
from tests.conftest import ProjectFolder

WEARER = """
    from flask import Flask, render_template_string
    from config import configure_app
    from shared_utils import look

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)
        look.init_app(app)

        @app.route("/")
        def index():
            return render_template_string("{{ look.url('look.css') }}")

        return app
"""


def url(app: Flask, script_name: str = "", name: str = "look.css") -> str:
    with app.test_request_context("/", base_url=f"http://localhost{script_name}"):
        return files.url(name)


def test_all_apps_of_a_row_name_one_url_and_the_host_answers_it(project: ProjectFolder) -> None:
    for name in ("trades", "billing"):
        project.app(name, WEARER)
    client = project.host().test_client()

    (named,) = {client.get(f"/{name}/").text for name in ("trades", "billing")}
    answer = client.get(named)

    assert named.startswith("/-/look/")
    assert answer.mimetype == "text/css"
    assert answer.data == (files.FOLDER / "look.css").read_bytes()


def test_behind_a_proxy_that_adds_a_prefix_the_url_has_it(project: ProjectFolder) -> None:
    project.app("trades", WEARER)
    client = project.host().test_client()

    page = client.get("/trades/", environ_overrides={"SCRIPT_NAME": "/outer"})

    assert page.text.startswith("/outer/-/look/")


@pytest.mark.parametrize(
    ("script_name", "quoted"), [("", ""), ("/proxy", "/proxy"), ("/é x", "/%C3%A9%20x")]
)
def test_an_app_alone_answers_it_itself(app: Flask, script_name: str, quoted: str) -> None:
    named = url(app, script_name)

    assert named.startswith(f"{quoted}/-/look/")
    assert app.test_client().get(named.removeprefix(quoted)).status_code == 200


def test_mounted_it_is_not_below_the_apps_prefix(app: Flask, mount: Callable[..., None]) -> None:
    mount("home", prefix="/trades")

    assert url(app, "/outer/trades").startswith("/outer/-/look/")


def test_a_browser_keeps_a_file_for_good(app: Flask) -> None:
    answer = app.test_client().get(url(app))

    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "Vary" not in answer.headers
    assert "Set-Cookie" not in answer.headers


def test_the_url_of_other_code_gets_what_there_is_for_this_once(app: Flask) -> None:
    client = app.test_client()
    answer = client.get("/-/look/0123456789abcdef/look.css")

    assert answer.data == client.get(url(app)).data
    assert answer.headers["Cache-Control"] == "no-cache"


def test_a_file_that_the_client_has_is_not_sent_again(app: Flask) -> None:
    client = app.test_client()
    first = client.get(url(app))
    again = client.get(url(app), headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("name", ["nothing.css", "..", "%2e%2e%2f__init__.py", "__init__.py"])
def test_nothing_but_the_files_is_served(app: Flask, name: str) -> None:
    assert app.test_client().get(f"/-/look/0123456789abcdef/{name}").status_code == 404


def test_a_file_that_is_not_there_cannot_be_named(app: Flask) -> None:
    with pytest.raises(LookupError, match=r"no file 'x\.css'; it has icon\.svg, look\.css"):
        url(app, name="x.css")


def test_other_content_has_another_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FOLDER", tmp_path)
    digests = set()
    for name, content in [("a.css", "1"), ("a.css", "2"), ("b.css", "2")]:
        for old in tmp_path.iterdir():
            old.unlink()
        (tmp_path / name).write_text(content)
        digests.add(files.Files.read().digest)

    assert len(digests) == 3


def test_in_debug_a_change_is_seen_at_once(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "FOLDER", tmp_path)
    app.debug = True
    (tmp_path / "look.css").write_text("a { }")
    before = url(app)
    (tmp_path / "look.css").write_text("b { }")

    assert url(app) != before
    assert app.test_client().get(url(app)).text == "b { }"
