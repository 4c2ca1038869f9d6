from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import Client, EnvironBuilder
from werkzeug.wrappers import Request, Response

from shared_utils.hosting.proxy import CheckedProxyFix, is_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    request = Request(environ)
    text = f"{request.script_root} {request.host} {request.scheme} {request.remote_addr}"
    return Response(text)(environ, start_response)


def prefix(header: str | None, trusted: int = 1) -> str:
    headers = {} if header is None else {"X-Forwarded-Prefix": header}
    text = Client(CheckedProxyFix(app, trusted)).get("/", headers=headers).text
    return text.split(" ")[0]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param(None, "", id="none"),
        pytest.param("", "", id="empty"),
        pytest.param("/", "", id="slash"),
        pytest.param("/tools", "/tools", id="one"),
        pytest.param("/tools/", "/tools", id="trailing"),
        pytest.param("/tools/rowhouse", "/tools/rowhouse", id="two"),
        pytest.param("/a.b/..c", "/a.b/..c", id="dots-in-names"),
        pytest.param("//evil.example", "", id="other-host"),
        pytest.param("/a//b", "", id="empty-segment"),
        pytest.param("/a/../b", "", id="up"),
        pytest.param("/a/..", "", id="up-at-the-end"),
        pytest.param("/./a", "", id="dot"),
        pytest.param("\\\\evil.example", "", id="backslashes"),
        pytest.param("/\\evil.example", "", id="backslash"),
        pytest.param("https://evil.example", "", id="url"),
        pytest.param("tools", "", id="no-slash"),
        pytest.param("/a?b", "", id="query"),
        pytest.param("/a#b", "", id="fragment"),
        pytest.param("/a b", "", id="space"),
        pytest.param("/a%2F", "", id="percent"),
        pytest.param("/<script>", "", id="markup"),
        pytest.param('"/tools"', "/tools", id="quoted"),
        pytest.param("/good, //evil.example", "", id="evil-last"),
    ],
)
def test_what_is_believed_of_one_proxy(header: str | None, expected: str) -> None:
    assert prefix(header) == expected


@pytest.mark.parametrize("character", ["\x00", "\t", "\x1f", "\x7f", "\x0b"])
def test_control_characters_are_refused(character: str) -> None:
    assert not is_prefix(f"/a{character}b")
    assert not is_prefix(f"/a{character}")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param("/outer, /inner", "/outer", id="two"),
        pytest.param("/client, /outer, /inner", "/outer", id="more-than-trusted"),
        pytest.param("/inner", "", id="fewer-than-trusted"),
    ],
)
def test_several_proxies(header: str, expected: str) -> None:
    assert prefix(header, trusted=2) == expected


def test_a_client_cannot_have_a_trusted_proxys_word_dropped() -> None:
    assert prefix("//evil.example, /tools") == "/tools"


def test_non_ascii_is_believed() -> None:
    environ = EnvironBuilder(path="/").get_environ()
    environ["HTTP_X_FORWARDED_PREFIX"] = "/caf\xc3\xa9"
    assert Client(CheckedProxyFix(app, 1)).open(environ).text.startswith("/café ")


def test_the_other_headers_are_believed() -> None:
    headers = {
        "X-Forwarded-For": "1.2.3.4, 5.6.7.8",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "example.com",
    }
    found = Client(CheckedProxyFix(app, 1)).get("/", headers=headers).text
    assert found == " example.com https 5.6.7.8"


def test_what_is_dropped_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        prefix("//evil.example" + "x" * 500)
    assert "dropped X-Forwarded-Prefix '//evil.example" in caplog.text
    assert len(caplog.messages[0]) < 300


@given(st.text(alphabet="/.\\a:%?#@é \x00\n", max_size=12))
def test_a_prefix_leads_to_no_other_host(value: str) -> None:
    if is_prefix(value):
        assert value.startswith("/")
        assert not value.startswith(("//", "/\\"))
        assert not {"", ".", ".."} & set(value[1:].split("/"))
        assert not set(value) & set("\\%?# \x00\n")
