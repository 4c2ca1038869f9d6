from __future__ import annotations

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from shared_utils.hosting.edge import Edge
from shared_utils.hosting.telemetry.record import current
from shared_utils.hosting.telemetry.trace_context import parsed
from shared_utils.logging import trace_parent

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{PARENT}-01"


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(GOOD, id="sampled"),
        pytest.param(f"00-{TRACE}-{PARENT}-00", id="not sampled"),
        pytest.param(f"cc-{TRACE}-{PARENT}-01", id="later version"),
        pytest.param(f"cc-{TRACE}-{PARENT}-01-what-the-future-brings", id="later, with more"),
    ],
)
def test_well_formed(header: str) -> None:
    assert parsed(header) == (TRACE, PARENT)


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("", id="empty"),
        pytest.param(f"ff-{TRACE}-{PARENT}-01", id="version ff"),
        pytest.param(f"00-{'0' * 32}-{PARENT}-01", id="no trace"),
        pytest.param(f"00-{TRACE}-{'0' * 16}-01", id="no parent"),
        pytest.param(GOOD.upper(), id="capitals"),
        pytest.param(f"{GOOD}-more", id="more than version 00 has"),
        pytest.param(f"cc-{TRACE}-{PARENT}-01.what", id="later, not by a dash"),
        pytest.param(f"00-{TRACE[1:]}-{PARENT}-01", id="short trace"),
        pytest.param(f"00-{TRACE}-{PARENT}", id="no flags"),
        pytest.param(f" {GOOD}", id="space"),
        pytest.param(f"{GOOD}\n", id="line break"),
        pytest.param(f"{GOOD},{GOOD}", id="twice"),
    ],
)
def test_not_well_formed(header: str) -> None:
    assert parsed(header) is None


@Request.application
def telling(request: Request) -> Response:
    told = (request.headers.get("traceparent"), request.headers.get("tracestate"))
    record = current.get()
    return Response(f"{told} {record.trace_id} {record.parent_id} {trace_parent.get()}")


def test_it_is_passed_on_as_it_came_and_known() -> None:
    headers = {"traceparent": GOOD, "tracestate": "a=b"}
    text = Client(Edge(telling)).get("/", headers=headers).text
    assert text == f"('{GOOD}', 'a=b') {TRACE} {PARENT} {GOOD}"


def test_one_that_is_not_well_formed_is_not_passed_on_nor_left_from_the_request_before() -> None:
    client = Client(Edge(telling))
    client.get("/", headers={"traceparent": GOOD})
    text = client.get("/", headers={"traceparent": GOOD[:-1], "tracestate": "a=b"}).text
    assert text == "(None, None)   "
