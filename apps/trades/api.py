"""The JSON API: what its operations have in common, and their OpenAPI document.

Each service has its operations in an ``api.py`` of its own, all under ``/api/v1``.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from apiflask import APIBlueprint, APIFlask, HTTPError
from flask import Request, Response, abort, current_app, jsonify, request
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import BadRequest
from werkzeug.http import HTTP_STATUS_CODES

from apps.trades.owners import guard_api
from shared_utils.logging import app_name, request_id
from shared_utils.problems import JSON_TYPE, problem

PREFIX = "/api/v1"

SECURITY: list[str | dict[str, list[Any]]] = ["bearer", "cookie"]
"""Either of them will do."""

P = ParamSpec("P")
R = TypeVar("R")

_EXTENSION = "trades_openapi"

_SETTINGS = {
    # What can be answered is written at each operation; nothing is guessed.
    "AUTO_200_RESPONSE": False,
    "AUTO_404_RESPONSE": False,
    "AUTO_AUTH_ERROR_RESPONSE": False,
    "AUTO_VALIDATION_ERROR_RESPONSE": False,
    "AUTO_OPERATION_ID": True,
    "AUTO_SERVERS": False,  # it would keep the first request's, for everybody
    "AUTO_TAGS": True,
    "SECURITY_SCHEMES": {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": "rowhouse_identity"},
    },
}

_PROBLEM = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "required": ["status", "title", "detail"],
    "properties": {
        "status": {"type": "integer"},
        "title": {"type": "string"},
        "detail": {"type": "string"},
        "app": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "object",
            "description": "What is wrong with each field.",
            "additionalProperties": {"type": "string"},
        },
    },
}

_ANYWHERE: dict[int | str, str] = {
    400: "The request is malformed.",
    401: "Nobody is signed in.",
    413: "The request is too large.",
    422: "A field or a parameter is wrong, or stands twice; `errors` says which.",
    500: "It is our fault.",
    503: "There is too much to do, or the app is down; try again after a while.",
    504: "It took too long.",
}
"""What every operation may answer, the last two through the host."""


_TOO_LONG = {
    "description": "The URL is longer than the server reads.",
    "content": {"text/html": {"schema": {"type": "string"}}},
}
"""For 414, which the server answers before it looks for an app."""

_TWICE = "It stands twice; write it once."
"""Which of two values is meant nobody knows: one program takes the first, another the last."""


class RepeatedKeyError(ValueError):
    """JSON in which an object has a key twice.

    Attributes:
        key: that one.
    """

    def __init__(self, key: str) -> None:
        super().__init__(f"the key {key!r} stands twice in one object")
        self.key = key


class StrictJSON(DefaultJSONProvider):
    """JSON in which nothing is said twice, and no number is none."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Read JSON.

        Raises:
            ValueError: it is none, has a key twice, NaN or Infinity, or is nested too deeply.
        """
        try:
            return json.loads(
                s, object_pairs_hook=_without_duplicates, parse_constant=_refuse, **kwargs
            )
        except RecursionError:
            raise ValueError("nested too deeply") from None


class StrictRequest(Request):
    """A request that says what is wrong with its JSON."""

    def on_json_loading_failed(self, e: ValueError | None) -> Any:
        """Refuse the body.

        Raises:
            HTTPError: 422, a key stands twice.
            BadRequest: it is no JSON.
            UnsupportedMediaType: it does not say that it is.
        """
        if e is None:
            return super().on_json_loading_failed(e)
        if isinstance(e, RepeatedKeyError):
            raise HTTPError(422, detail={"json": {e.key: [_TWICE]}}) from None
        raise BadRequest(f"The body is no JSON: {e}.") from None


def init_app(app: APIFlask) -> None:
    """Set up what the API has in common."""
    app.config.update(_SETTINGS)
    app.json = StrictJSON(app)
    app.request_class = StrictRequest
    app.register_error_handler(HTTPError, _invalid)
    app.add_url_rule(f"{PREFIX}/openapi.json", "openapi", document)


def blueprint(name: str, import_name: str, tag: str) -> APIBlueprint:
    """Return a blueprint for operations: for whoever is signed in, with each parameter once."""
    made = APIBlueprint(name, import_name, url_prefix=PREFIX, tag=tag)
    made.before_request(guard_api)
    made.before_request(_refuse_repeated)
    return made


def answers(**described: str) -> dict[int | str, Any]:
    """Return what an operation may answer but for its success, for ``doc(responses=...)``.

    Args:
        described: what it means, by status: ``_404="You have no such trade."``
    """
    own: dict[int | str, str] = {
        int(status.strip("_")): description for status, description in described.items()
    }
    problems: dict[int | str, Any] = {
        status: {
            "description": description,
            "content": {JSON_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, description in (_ANYWHERE | own).items()
    }
    return {**problems, 414: _TOO_LONG}


def located(status: int) -> dict[int | str, Any]:
    """Return that a success says where what it made is, for ``doc(responses=...)``."""
    header = {"required": True, "schema": {"type": "string", "format": "uri-reference"}}
    return {status: {"headers": {"Location": header}}}


def takes(mimetype: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Have a view take bodies of this type alone.

    None of those that a form of another site can send: it would bring the user's cookie along.
    """

    def made(view: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(view)
        def taking(*args: P.args, **kwargs: P.kwargs) -> R:
            if request.mimetype != mimetype:
                abort(415, f"Send Content-Type: {mimetype}.")
            return view(*args, **kwargs)

        return taking

    return made


def document() -> Response:
    """Answer the OpenAPI document. Its one server is a path: right for every host and prefix."""
    _refuse_repeated()
    made = current_app.extensions.get(_EXTENSION)
    if made is None:
        made = current_app.extensions[_EXTENSION] = _document(current_app)  # type: ignore[arg-type]
    response = jsonify({**made, "servers": [{"url": request.root_path + PREFIX}]})
    response.vary.add("X-Forwarded-Prefix")
    return response


def _document(app: APIFlask) -> dict[str, Any]:
    spec: Any = app.spec
    spec["paths"] = {
        path.removeprefix(PREFIX): operations
        for path, operations in spec["paths"].items()
        if path.startswith(f"{PREFIX}/") and operations
    }
    for operations in spec["paths"].values():
        for operation in operations.values():
            if "requestBody" in operation:
                operation["requestBody"]["required"] = True
    spec["components"]["schemas"]["Problem"] = _PROBLEM
    made: dict[str, Any] = spec
    return made


def _invalid(error: HTTPError) -> Response:
    """Answer what APIFlask says of a request that is not as its schema wants it."""
    errors = {
        field: " ".join(message.removeprefix("Value error, ") for message in messages)
        for fields in (error.detail.values() if isinstance(error.detail, Mapping) else ())
        for field, messages in fields.items()
    }
    said = " ".join(f"{field}: {message}" for field, message in errors.items())
    return problem(  # type: ignore[return-value]
        error.status_code,
        said or error.message or HTTP_STATUS_CODES[error.status_code],
        app=app_name.get() or current_app.name,
        request_id=request_id.get() or None,
        errors=errors or None,
    )


def _refuse_repeated() -> None:
    """Refuse, with 422, a query in which a parameter stands twice."""
    repeated = {name: [_TWICE] for name, values in request.args.lists() if len(values) > 1}
    if repeated:
        raise HTTPError(422, detail={"query": repeated})


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise RepeatedKeyError(key)
        made[key] = value
    return made


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
