from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_utils.hosting.cookies import is_identity, scoped, without, without_identity


def scope(cookie: str, script_name: str = "/a", prefix: str = "/a") -> str:
    [(name, value)] = scoped([("Set-Cookie", cookie)], script_name, prefix)
    assert name == "Set-Cookie"
    return value


def path_of(cookie: str) -> str:
    paths = [
        part.partition("=")[2].strip()
        for part in cookie.split(";")[1:]
        if part.partition("=")[0].strip().lower() == "path"
    ]
    return paths[-1] if paths else ""


@pytest.mark.parametrize(
    ("cookie", "script_name", "prefix", "expected"),
    [
        pytest.param("s=1; Path=/", "/a", "/a", "s=1; Path=/a", id="root"),
        pytest.param("s=1", "/a", "/a", "s=1; Path=/a", id="none"),
        pytest.param("s=1; Path=", "/a", "/a", "s=1; Path=/a", id="empty"),
        pytest.param("s=1; Path=x", "/a", "/a", "s=1; Path=/a", id="relative"),
        pytest.param("s=1; path=/ ;Secure", "/a", "/a", "s=1;Secure; Path=/a", id="spelling"),
        pytest.param("s=1; Path=/a", "/a", "/a", "s=1; Path=/a", id="own"),
        pytest.param("s=1; Path=/a/x", "/a", "/a", "s=1; Path=/a/x", id="below"),
        pytest.param("s=1; Path=/other", "/a", "/a", "s=1; Path=/other", id="elsewhere"),
        pytest.param("s=1; Path=/ab", "/a", "/a", "s=1; Path=/ab", id="boundary"),
        pytest.param("s=1; Path=/x; Path=/", "/a", "/a", "s=1; Path=/a", id="last-counts"),
        pytest.param("s=1; Path=/a", "/p/a", "/a", "s=1; Path=/p/a", id="proxy"),
        pytest.param("s=1; Path=/a/x", "/p/a", "/a", "s=1; Path=/p/a/x", id="proxy-below"),
        pytest.param("s=1; Path=/", "/p/a", "/a", "s=1; Path=/p/a", id="proxy-root"),
        pytest.param("s=1; Path=/p/a/x", "/p/a", "/a", "s=1; Path=/p/a/x", id="proxy-told"),
        pytest.param("s=1; Path=/", "", "", "s=1; Path=/", id="root-mount"),
        pytest.param("s=1; Path=/x", "", "", "s=1; Path=/x", id="root-mount-below"),
        pytest.param("s=1; Path=/x", "/p", "", "s=1; Path=/p/x", id="root-mount-proxy"),
        pytest.param("__Host-s=1; Path=/", "/a", "/a", "__Host-s=1; Path=/", id="host-cookie"),
        pytest.param(
            "s=1; Domain=example.com; Path=/; HttpOnly; SameSite=Lax",
            "/a",
            "/a",
            "s=1; Domain=example.com; HttpOnly; SameSite=Lax; Path=/a",
            id="attributes",
        ),
    ],
)
def test_the_path_of_a_cookie(cookie: str, script_name: str, prefix: str, expected: str) -> None:
    assert scope(cookie, script_name, prefix) == expected


@pytest.mark.parametrize(
    ("path", "script_name", "prefix", "expected"),
    [
        pytest.param("/", "/cafÃ©", "/cafÃ©", "/caf%C3%A9", id="root"),
        pytest.param("/caf%C3%A9", "/cafÃ©", "/cafÃ©", "/caf%C3%A9", id="as-flask-quotes-it"),
        pytest.param("/caf%C3%A9", "/p/cafÃ©", "/cafÃ©", "/p/caf%C3%A9", id="behind-a-proxy"),
        pytest.param("/", "/prÃ©/a", "/a", "/pr%C3%A9/a", id="proxys-prefix"),
    ],
)
def test_a_path_is_spelt_as_browsers_ask_for_it(
    path: str, script_name: str, prefix: str, expected: str
) -> None:
    # A cookie's path is held against the path of the request line, which is percent-encoded
    # (RFC 6265, section 5.1.4).
    assert path_of(scope(f"s=1; Path={path}", script_name, prefix)) == expected


def test_several_cookies_and_other_headers() -> None:
    headers = [
        ("Content-Type", "text/plain; Path=/"),
        ("set-cookie", "a=1; Path=/"),
        ("Set-Cookie", "b=2; Path=/a/b"),
        ("SET-COOKIE", "c=3"),
    ]
    assert scoped(headers, "/a", "/a") == [
        ("Content-Type", "text/plain; Path=/"),
        ("set-cookie", "a=1; Path=/a"),
        ("Set-Cookie", "b=2; Path=/a/b"),
        ("SET-COOKIE", "c=3; Path=/a"),
    ]


cookie_names = st.text("abc_-", min_size=1, max_size=5)
attributes = st.lists(
    st.sampled_from(["Secure", "HttpOnly", "Domain=x.example", "Max-Age=0", "SameSite=Lax"])
    | st.sampled_from(["", "/", "/a", "/a/x", "/p/a", "/ab", "/other", "/a/", "x"]).map(
        "Path={}".format
    ),
    max_size=4,
)


@given(cookie_names, attributes, st.sampled_from([("/a", "/a"), ("/p/a", "/a"), ("/p", "")]))
def test_a_scoped_cookie_stays_inside_unless_it_names_another_place(
    name: str, given_attributes: list[str], mounted: tuple[str, str]
) -> None:
    script_name, prefix = mounted
    cookie = ";".join([f"{name}=v", *given_attributes])
    found = scope(cookie, script_name, prefix)
    told, path = path_of(cookie), path_of(found)
    is_inside = path == script_name or path.startswith(f"{script_name}/")
    elsewhere = told.startswith("/") and told != "/" and path == told
    assert is_inside or elsewhere
    assert found.split(";")[0] == f"{name}=v"
    for attribute in given_attributes:
        if not attribute.startswith("Path"):
            assert attribute in found
    assert scope(found, script_name, prefix) == found


@pytest.mark.parametrize(
    ("cookies", "kept"),
    [
        ("a=1; b=2; c=3", "a=1; c=3"),
        ("b=2", ""),
        ("b=2; a=1", "a=1"),
        ("a=1; b=2", "a=1"),
        (" b =2;a=b=2", "a=b=2"),
        ("bb=2; xb=3", "bb=2; xb=3"),
        ("b=1; b=2", ""),
        ("", ""),
    ],
)
def test_cookies_without_a_neighbours(cookies: str, kept: str) -> None:
    assert without(cookies, {"b"}) == kept


@pytest.mark.parametrize(
    ("cookies", "kept"),
    [
        ("a=1,rowhouse_identity=x", "a=1"),
        ("a=1, rowhouse_identity =x,b=2; c=3", "a=1,b=2; c=3"),
        ("rowhouse_identity=y,rowhouse_identity=x", ""),
        ("a=1,2; rowhouse_identity=x", "a=1,2"),
    ],
)
def test_the_identity_is_not_hidden_behind_a_comma(cookies: str, kept: str) -> None:
    assert without(cookies, {"rowhouse_identity"}) == kept
    assert without(cookies, {"b"}) == cookies


@pytest.mark.parametrize(
    "cookie",
    [
        "rowhouse_identity=x",
        "rowhouse_identity=x; Path=/; HttpOnly",
        "rowhouse_identity=; Max-Age=0",
        "rowhouse_identity",
        " \t rowhouse_identity \t =x",
        "rowhouse_identity ; Path=/",
        "=rowhouse_identity=x",
        " = rowhouse_identity =x",
    ],
)
def test_what_a_browser_would_send_back_as_the_identity_cookie(cookie: str) -> None:
    assert is_identity(cookie)
    headers = [("Set-Cookie", cookie), ("Set-Cookie", "a=1"), ("X-A", "rowhouse_identity=x")]
    assert without_identity(headers) == headers[1:]


@pytest.mark.parametrize(
    "cookie",
    [
        "rowhouse_identity2=x",
        "x_rowhouse_identity=x",
        "Rowhouse_Identity=x",
        "a=rowhouse_identity=x",
        "a=1; rowhouse_identity=x",
        "=a=rowhouse_identity",
        "",
    ],
)
def test_what_is_no_identity_cookie(cookie: str) -> None:
    assert not is_identity(cookie)


def test_the_issuers_identity_cookie_stays_as_it_is() -> None:
    headers = [("Set-Cookie", "rowhouse_identity=x; Path=/"), ("Set-Cookie", "a=1; Path=/")]
    assert scoped(headers, "/p/a", "/a", issuer=True) == [
        ("Set-Cookie", "rowhouse_identity=x; Path=/"),
        ("Set-Cookie", "a=1; Path=/p/a"),
    ]
