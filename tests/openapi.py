"""What Schemathesis looks at where an API has to keep to its document."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

from schemathesis.checks import CheckContext, not_a_server_error
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)


def negative_queries_are_rejected(ctx: CheckContext, response: Any, case: Any) -> bool | None:
    """Check that wrong data is refused, unless a query cannot show that it is wrong.

    There everything is text: a list of nothing, ``[null]``, is ``symbol=null`` on the wire, and an
    object ``{"a": 1}`` is ``symbol=a``; which are as good symbols as any other.
    """
    try:
        return negative_data_rejection(ctx, response, case)
    except AcceptedNegativeData:
        sent = [name for name, _ in parse_qsl(urlsplit(response.request.url).query)]
        structures = [
            name for name, value in (case.query or {}).items() if isinstance(value, list | dict)
        ]
        if not any(sent.count(name) == 1 for name in structures):
            raise
    return None


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_queries_are_rejected,
    unsupported_method,
    ignored_auth,
]
"""Not that every valid request is taken: that a day is not in the future no schema can say."""
