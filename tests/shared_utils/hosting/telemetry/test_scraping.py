from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared_utils.hosting.pages import metrics_of
from shared_utils.hosting.telemetry import scraping

if TYPE_CHECKING:
    from flask import Flask

    from tests.conftest import ProjectFolder

TOKEN = "a secret of the scraper's"

FORWARDED = (
    *("Forwarded", "Via", "X-Real-IP", "X-Forwarded", "Forwarded-For", "CF-Connecting-IP"),
    *("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix"),
    *("X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Scheme", "X-Forwarded-Ssl"),
    *("X-Original-Host", "X-Client-IP", "True-Client-IP", "X-Envoy-External-Address"),
)


@pytest.fixture
def host(project: ProjectFolder, greeter: str) -> Flask:
    project.app("well", greeter)
    return project.host()


@pytest.mark.parametrize(
    ("address", "headers", "token", "status"),
    [
        pytest.param("127.0.0.1", {}, "", 200, id="this machine"),
        pytest.param("127.8.9.1", {}, "", 200, id="this machine, another address"),
        pytest.param("::1", {}, TOKEN, 200, id="this machine, IPv6"),
        pytest.param("::ffff:127.0.0.1", {}, "", 200, id="this machine, mapped"),
        pytest.param("192.0.2.1", {}, "", 403, id="another"),
        pytest.param("192.0.2.1", {}, TOKEN, 401, id="another, without the token"),
        pytest.param("", {}, "", 403, id="a Unix socket"),
        pytest.param("localhost", {}, "", 403, id="no address"),
        *(pytest.param("127.0.0.1", {name: "127.0.0.1"}, "", 403, id=name) for name in FORWARDED),
        pytest.param("127.0.0.1", {"Host": "127.0.0.1:8000"}, "", 200, id="by number"),
        pytest.param("127.0.0.1", {"Host": "LOCALHOST:1"}, "", 200, id="by name"),
        pytest.param("::1", {"Host": "[::1]:8000"}, "", 200, id="by number, IPv6"),
        pytest.param("127.0.0.1", {"Host": "apps.example.com"}, "", 403, id="a client's Host"),
        pytest.param("127.0.0.1", {"Host": "127.0.0.1.evil.example"}, "", 403, id="looks alike"),
        pytest.param("127.0.0.1", {"Host": ""}, "", 403, id="no Host"),
        pytest.param("127.0.0.1", {"X-Request-ID": "abcdefgh"}, "", 200, id="no proxy's header"),
        pytest.param("192.0.2.1", {"Authorization": f"Bearer {TOKEN}"}, TOKEN, 200, id="token"),
        pytest.param("192.0.2.1", {"Authorization": f"bearer {TOKEN}"}, TOKEN, 200, id="lower"),
        pytest.param("192.0.2.1", {"Authorization": "Bearer "}, "", 403, id="no token is set"),
        pytest.param("192.0.2.1", {"Authorization": f"Basic {TOKEN}"}, TOKEN, 401, id="basic"),
        pytest.param("127.0.0.1", {"Authorization": "Bearer x"}, TOKEN, 401, id="wrong"),
        pytest.param("127.0.0.1", {"Authorization": "Bearer \xe9"}, TOKEN, 401, id="not ASCII"),
        pytest.param(
            "192.0.2.1", {"Authorization": "Bearer ge\xc3\xa9"}, "geé", 200, id="token not ASCII"
        ),
        pytest.param("192.0.2.1", {"Authorization": "Bearer x"}, "x\n", 200, id="end of line"),
        pytest.param("192.0.2.1", {"Authorization": "Bearer  "}, " ", 403, id="a blank token"),
    ],
)
def test_who_may_read(
    host: Flask,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    headers: dict[str, str],
    token: str,
    status: int,
) -> None:
    monkeypatch.setenv(scraping.TOKEN, token)
    answer = host.test_client().get(
        "/-/metrics", headers=headers, environ_overrides={"REMOTE_ADDR": address}
    )
    assert answer.status_code == status
    assert ("WWW-Authenticate" in answer.headers) is (status == 401)
    if status == 200:
        assert answer.headers["Cache-Control"] == "no-store"
        assert all(name.removesuffix("_total") in answer.text for name in metrics_of(host).names())
    else:
        assert answer.json is not None
        assert answer.json["status"] == status
        assert "rowhouse_" not in answer.text


def test_methods_statuses_and_paths_do_not_make_series_without_end(host: Flask) -> None:
    client = host.test_client()
    for number in range(20):
        client.open(f"/nowhere/{number}", method=f"BREW{number}")
    lines = client.get("/-/metrics").text.splitlines()
    counted = [line for line in lines if line.startswith("rowhouse_requests_total{")]
    assert counted == ['rowhouse_requests_total{app="",method="other",status="404"} 20.0']
