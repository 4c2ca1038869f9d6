"""The base template: what an app's page gets without asking."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from flask import Flask, abort, flash, render_template_string

from shared_utils import errors
from shared_utils.sibling import EXTENSION
from tests.shared_utils.look.conftest import Rendered

PLAIN = '{% extends "look/base.html" %}{% block main %}<h1>Hello</h1>{% endblock %}'
ANN = SimpleNamespace(name="Ann <b>")

Mount = Callable[..., None]


def test_a_page_with_nothing_but_its_content_is_whole(render: Rendered) -> None:
    page = render(PLAIN, script_name="/proxy")

    assert "<title>Our trades</title>" in page
    assert '<a class="brand" href="/proxy/">' in page
    assert re.search(r'<a class="skip" href="#main">.*<main [^>]*id="main"', page, re.DOTALL)
    assert re.search(r'rel="stylesheet" href="/proxy/-/look/\w+/look\.css"', page)
    assert "<nav" not in page
    assert "All apps" not in page
    assert "Sign in" not in page


def test_everything_is_of_this_origin_and_nothing_inline(render: Rendered, mount: Mount) -> None:
    mount("home", "accounts")
    page = render(PLAIN, current_identity=ANN, script_name="/trades")

    assert not re.search(r"<script|<style|style=|https?:|\son\w+=", page)


def test_blocks_and_variables_change_a_page(render: Rendered) -> None:
    page = render(
        '{% extends "look/base.html" %}'
        '{% from "look/macros.html" import nav_link %}'
        "{% set icon = '/own.svg' %}"
        "{% block title %}T{% endblock %}"
        "{% block head %}HEAD{% endblock %}"
        "{% block skip %}SKIP{% endblock %}"
        "{% block header_nav %}"
        "{{ nav_link('/p/here', 'Here') }}{{ nav_link('/p/b', 'B') }}"
        "{% endblock %}"
        "{% block scripts %}SCRIPTS{% endblock %}",
        at="/here?x=1",
        script_name="/p",
    )

    assert "<title>T</title>" in page
    assert page.count('"/own.svg"') == 2
    assert "HEAD" in page.partition("</head>")[0]
    assert "SKIP" in page.partition("<header")[0]
    assert "SCRIPTS" in page.partition("</main>")[2]
    assert '<a href="/p/here" aria-current="page">Here</a><a href="/p/b">B</a></nav>' in page


def test_what_an_app_does_not_know_of_is_not_shown(render: Rendered, mount: Mount) -> None:
    """An app without identity cannot tell that nobody is signed in."""
    mount("home", "accounts")
    page = render(PLAIN, script_name="/trades")

    assert '<a href="/">All apps</a>' in page
    assert "Sign" not in page


def test_nobody_is_signed_in(render: Rendered, mount: Mount) -> None:
    mount("accounts")
    page = render(PLAIN, at="/a b?q=1&r=2", script_name="/trades", current_identity=None)

    assert 'href="/accounts/sign-in?next=%2Ftrades%2Fa%2520b%3Fq%3D1%26r%3D2"' in page
    assert "Sign out" not in page


def test_a_page_that_a_form_was_sent_to_is_not_come_back_to(render: Rendered, mount: Mount) -> None:
    mount("accounts")
    page = render(PLAIN, method="POST", script_name="/trades", current_identity=None)

    assert 'href="/accounts/sign-in"' in page


def test_another_issuer_is_where_to_sign_in(app: Flask, render: Rendered, mount: Mount) -> None:
    mount("accounts", "people")
    place = app.extensions[EXTENSION]
    app.extensions[EXTENSION] = dataclasses.replace(place, issuer="people")

    assert 'href="/people/sign-in' in render(PLAIN, script_name="/trades", current_identity=None)
    assert 'href="/people/"' in render(PLAIN, script_name="/trades", current_identity=ANN)


def test_somebody_is_signed_in(render: Rendered, mount: Mount) -> None:
    mount("accounts")
    page = render(PLAIN, script_name="/o/trades", current_identity=ANN)

    assert '<a class="who" href="/o/accounts/">' in page
    assert "Ann &lt;b&gt;</a>" in page
    assert '<a href="/o/accounts/sign-out">Sign out</a>' in page
    assert "Sign in<" not in page


def test_without_the_app_accounts_there_is_the_name_alone(render: Rendered) -> None:
    page = render(PLAIN, current_identity=ANN)

    assert '<span class="who">' in page
    assert "Sign out" not in page


def test_flashed_messages_are_shown_once(app: Flask) -> None:
    @app.get("/flash")
    def flashing() -> str:
        flash("Recorded <b>", "success")
        return ""

    app.add_url_rule("/", "index", lambda: render_template_string(PLAIN))
    client = app.test_client()
    client.get("/flash")

    message = '<p class="message success" role="status">Recorded &lt;b&gt;</p>'
    assert message in client.get("/").text
    assert message not in client.get("/").text


@pytest.mark.parametrize("template", ["look/error.html", "own/error.html"])
def test_an_error_is_a_page_of_the_look(app: Flask, template: str) -> None:
    from jinja2 import DictLoader

    app.jinja_loader = DictLoader(
        {
            "own/base.html": '{% extends "look/base.html" %}{% block skip %}OWN{% endblock %}',
            "own/error.html": '{% extends "look/error.html" %}{% set layout = "own/base.html" %}',
        }
    )
    errors.init_app(app, template=template)
    app.add_url_rule("/teapot", "teapot", lambda: abort(418, "Short & stout"))

    page = app.test_client().get("/teapot", headers={"Accept": "text/html"})

    assert page.status_code == 418
    assert re.search("<title>I&#39;m a teapot . Our trades</title>", page.text)
    assert "Short &amp; stout" in page.text
    assert '<a href="/">Go to Our trades</a>' in page.text
    assert ("OWN" in page.text) == (template == "own/error.html")
