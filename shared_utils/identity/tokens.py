"""Tokens that say who somebody is: JSON Web Tokens, signed with Ed25519 (RFC 7519, RFC 8037)."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

ALGORITHM = "EdDSA"
ISSUER = "rowhouse-accounts"
AUDIENCE = "rowhouse"
TYPE = "JWT"

LIFETIME = 12 * 60 * 60
"""Seconds that a token is valid."""
LEEWAY = 30
"""Seconds that the clocks of two machines may differ."""
LONGEST = 2048
"""Characters of a token; a cookie of 4,096 would be the most that a browser keeps."""

_FORM = re.compile(r"[\w-]+\.[\w-]+\.[\w-]{85}[AQgw]", re.ASCII)
"""Base64url as it is written by the rule: other last letters would give the same signature."""


class InvalidTokenError(ValueError):
    """A token that proves nothing; says why, but nothing of what was in it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Identity:
    """Who is signed in.

    Attributes:
        id: stays the same whatever they call themselves; unique for one issuer.
        name: what they are called.
        roles: what they may do, such as ``operator``.
    """

    id: str
    name: str
    roles: frozenset[str] = frozenset()

    def has_role(self, role: str) -> bool:
        """Say whether they have this role."""
        return role in self.roles


class _OneAlgorithm(JWSRegistry):
    """Knows no other algorithm, whatever the token's own header asks for (RFC 8725, section 3.1).

    RFC 9864 deprecates the name EdDSA, because it does not say which curve. Our keys do: they are
    Ed25519 or not loaded. joserfc's warning about it would come with every token.
    """

    def get_alg(self, name: str) -> Any:
        """Return it.

        Raises:
            UnsupportedAlgorithmError: for any other name.
        """
        if name != ALGORITHM:
            raise UnsupportedAlgorithmError(f"the algorithm is not {ALGORITHM}")
        return self.algorithms[name]


_REGISTRY = _OneAlgorithm()


def issue(
    identity: Identity, key: OKPKey, *, lifetime: int = LIFETIME, now: int | None = None
) -> str:
    """Return a token that says who ``identity`` is.

    Args:
        key: the private key; its ``kid`` is written into the token.
        lifetime: seconds that it is valid.
        now: seconds since 1970; default: the time that it is.

    Raises:
        ValueError: it would be longer than :data:`LONGEST`.
    """
    now = int(time.time()) if now is None else now
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": identity.id,
        "name": identity.name,
        "roles": sorted(identity.roles),
        "iat": now,
        "exp": now + lifetime,
    }
    header = {"alg": ALGORITHM, "typ": TYPE, "kid": key.kid}
    token = jwt.encode(header, claims, key, registry=_REGISTRY)
    if len(token) > LONGEST:
        raise ValueError(
            f"the token has {len(token)} characters, and {LONGEST} are the most; "
            "give a shorter name or fewer roles"
        )
    return token


def verify(token: str, keys: Mapping[str, OKPKey], *, now: int | None = None) -> Identity:
    """Return who a token says somebody is.

    Args:
        keys: public keys by their ``kid``.
        now: seconds since 1970; default: the time that it is.

    Raises:
        InvalidTokenError: it is not signed with one of the keys, has expired, is not meant for us,
            or is no token at all.
    """
    if len(token) > LONGEST:
        raise InvalidTokenError(f"longer than {LONGEST} characters")
    if not _FORM.fullmatch(token):
        raise InvalidTokenError("not of the form of a token")
    try:
        decoded = jwt.decode(token, lambda signed: _key_of(signed.headers(), keys), None, _REGISTRY)
        _registry_at(now).validate(decoded.claims)
    # Whatever a library raises about nonsense that somebody sent: ValueError, RecursionError.
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        if isinstance(error, InvalidTokenError):
            raise
        raise InvalidTokenError(getattr(error, "error", "") or type(error).__name__) from None
    return _identity_in(decoded.claims)


def _key_of(header: Mapping[str, Any], keys: Mapping[str, OKPKey]) -> OKPKey:
    kid = header.get("kid")
    key = keys.get(kid) if isinstance(kid, str) else None
    if key is None:
        raise InvalidTokenError("signed with a key that is not known here")
    return key


def _registry_at(now: int | None) -> jwt.JWTClaimsRegistry:
    return jwt.JWTClaimsRegistry(
        now=now,
        leeway=LEEWAY,
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": AUDIENCE},
        sub={"essential": True},
        iat={"essential": True},
        exp={"essential": True},
    )


def _identity_in(claims: Mapping[str, Any]) -> Identity:
    subject, name, roles = claims["sub"], claims.get("name"), claims.get("roles")
    is_sound = isinstance(name, str) and name and isinstance(roles, list)
    if not is_sound or not all(isinstance(role, str) for role in roles or ()):
        raise InvalidTokenError("without a sound name and roles")
    return Identity(id=subject, name=str(name), roles=frozenset(roles or ()))
