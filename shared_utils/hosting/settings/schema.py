"""The schema of the operator file (``rowhouse.toml``) and of a manifest (``app.toml``).

Every field carries what it means in its description; ``docs/settings.md`` is held against them.
"""

from __future__ import annotations

import ast
import math
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from shared_utils.hosting.settings import prefixes
from shared_utils.hosting.settings.secrets import is_secret
from shared_utils.sibling import IDENTITY_ISSUER

_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def mistaken(found: str, write: str) -> PydanticCustomError:
    """Return an error that says what was found and what to write instead."""
    return PydanticCustomError("mistaken", "{found}", {"found": found, "write": write})


def _sound_prefix(prefix: str) -> str:
    if problem := prefixes.problem(prefix):
        found, write = problem
        raise mistaken(f'"{prefix}" {found}', write)
    return prefix


def _sound_target(target: str) -> str:
    """Hold ``target`` against gunicorn's grammar: module:attribute or module:factory(literals)."""
    module, _, attribute = target.partition(":")
    fault = mistaken(
        f'"{shown_target(target)}" does not name an application',
        'write "module:attribute" or "module:factory()"',
    )
    if not _MODULE.fullmatch(module):
        raise fault
    try:
        expression = ast.parse(attribute, mode="eval").body
        if isinstance(expression, ast.Call):
            for argument in [*expression.args, *(word.value for word in expression.keywords)]:
                ast.literal_eval(argument)
            expression = expression.func
    # A key that cannot be hashed is a TypeError; deep nesting ends in the last two.
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        raise fault from None
    if not isinstance(expression, ast.Name):
        raise fault
    return target


def spelt(number: float) -> str:
    """Return a number as it can be written into a file: 31536000, not 3.1536e+07."""
    if isinstance(number, int) and number.bit_length() > 64:
        return "a number of more than 64 bits"
    return str(int(number)) if number == int(number) else repr(number)


def shown_target(target: str) -> str:
    """Return a target as a message may show it: without arguments, which may be secrets."""
    head, parenthesis, rest = target.partition("(")
    return target if not parenthesis or rest == ")" else f"{head}(...)"


def _sound_key(key: str) -> str:
    if not key.isupper():
        raise mistaken("Flask drops keys in small letters", f"write {key.upper()}")
    if key in ("SECRET_KEY", "SECRET_KEY_FALLBACKS"):
        raise mistaken(
            "a secret in a file that is committed",
            f"leave it out (one is derived), or set NAME_{key} in the environment",
        )
    if key == "APPLICATION_ROOT":
        raise mistaken("it follows from the prefix", "leave it out")
    return key


Prefix = Annotated[str, AfterValidator(_sound_prefix)]
Target = Annotated[str, AfterValidator(_sound_target)]
AppConfig = dict[Annotated[str, AfterValidator(_sound_key)], Any]
Seconds = Annotated[float, Field(ge=0, le=86400 * 365, allow_inf_nan=False)]


class _Table(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )


class Limits(_Table):
    """What one mount may use, in one worker process."""

    max_running: Annotated[int, Field(ge=1)] | None = None
    """fixed cap on slots, within the fair share"""
    max_threads: Annotated[int, Field(ge=1)] | None = None
    """fixed cap on threads held, within the fair share"""
    queue_timeout: Seconds = 5.0
    """seconds a request is parked before it is shed, and waits for a lazy app to be built"""
    deadline: Seconds = 30.0
    """seconds the app may take to its first body byte; 0: no deadline"""
    stream_deadline: Seconds = 0.0
    """seconds for the rest of the body; 0: no deadline"""
    startup_timeout: Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)] = 30.0
    """seconds for the factory"""
    max_body: Annotated[int, Field(ge=0)] = 16 * 1024 * 1024
    """bytes a request body may have; larger gets 413"""

    def above(self, key: str, ceiling: Limits) -> bool:
        """Say whether this value of ``key`` is above the one in ``ceiling``."""
        return _reach(key, getattr(self, key)) > _reach(key, getattr(ceiling, key))


def _reach(key: str, value: float | None) -> float:
    """Return how far a limit lets an app go: one that is switched off has no end."""
    if value is None or (value == 0 and key in ("deadline", "stream_deadline")):
        return math.inf
    return value


class Manifest(_Table):
    """``apps/<name>/app.toml``: what a team says of its app. Every key is optional."""

    prefix: Prefix | None = None
    """path the app is mounted under; default: a slash and the folder's name"""
    app: Target | None = None
    """the WSGI application, as "module:attribute" or "module:factory()" """
    title: str | None = None
    """name for people; default: the folder's name"""
    description: str = ""
    """one line about what it is for"""
    owner: str = ""
    """team that owns it"""
    contact: str = ""
    """where to reach that team; named wherever the app is not available"""
    load: Literal["eager", "lazy"] = "eager"
    """"eager": built at start; "lazy": built at its first request"""
    cookies: Literal["scoped", "shared"] = "scoped"
    """"scoped": cookies stay within the prefix; "shared": outgoing cookie paths are left alone"""
    limits: Limits = Limits()
    """table of limits, per worker process"""
    config: AppConfig = Field(default={}, repr=False)
    """table of defaults for the app's config"""


class OperatorMount(Manifest):
    """``[mounts.NAME]`` of the operator file: a manifest's keys, which override it, and more."""

    enabled: bool = True
    """false: not mounted at all"""
    required: bool = False
    """the host is not ready while this app is not"""
    identity: bool | None = None
    """pass the signed-in identity in; default: true for apps/, else false"""


class Host(_Table):
    """``[host]`` of the operator file."""

    slots: Annotated[int, Field(ge=1)] = 64
    """requests that may run at once in one worker process, shared by all apps"""
    threads: Annotated[int, Field(ge=1)] = 512
    """gunicorn's threads of one worker process; started only as they are needed"""
    client_timeout: Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)] = 10.0
    """seconds for a request's head, and for a client that stops sending or reading"""
    startup_wait: Annotated[float, Field(ge=0, le=600, allow_inf_nan=False)] = 5.0
    """seconds that serving waits for apps that are still being built"""
    trusted_proxies: Annotated[int, Field(ge=0)] = 0
    """proxies in front whose X-Forwarded-* headers are believed"""
    identity_issuer: str = IDENTITY_ISSUER
    """the mount that signs people in: the one that may set the identity cookie; "": none"""
    limits: Limits = Limits()
    """table of limits: defaults for all mounts, and ceilings for manifests"""


class OperatorFile(_Table):
    """``rowhouse.toml``."""

    host: Host = Host()
    """table of what all apps share"""
    mounts: dict[str, OperatorMount] = {}
    """tables of mounts, by name"""


OPERATOR_ONLY = tuple(sorted(set(OperatorMount.model_fields) - set(Manifest.model_fields)))


def shows(key: str) -> bool:
    """Say whether a message may show the value found under this dotted key."""
    parts = key.split(".")
    return "config" not in parts and not any(map(is_secret, parts))
