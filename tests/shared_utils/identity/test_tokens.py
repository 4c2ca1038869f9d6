"""What a token proves, and what proves nothing."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import OKPKey

from shared_utils.identity.keys import new_key
from shared_utils.identity.tokens import (
    LEEWAY,
    LIFETIME,
    LONGEST,
    Identity,
    InvalidTokenError,
    issue,
    verify,
)

KEY, OLD_KEY, STRANGER = new_key(), new_key(), new_key()
KEYS = {str(key.kid): OKPKey.import_key(key.as_pem(private=False)) for key in (KEY, OLD_KEY)}
ANN = Identity(id="7", name="ann", roles=frozenset({"user", "operator"}))
NOW = 1_800_000_000

names = st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable())
identities = st.builds(
    Identity, id=names, name=names, roles=st.frozensets(st.text("abcxyz-", min_size=1), max_size=4)
)


def encoded(part: object) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def signed(header: object, claims: object, key: OKPKey = KEY) -> str:
    """Sign anything at all, as our own code never would."""
    content = f"{encoded(header)}.{encoded(claims)}"
    private = key.private_key
    assert isinstance(private, Ed25519PrivateKey)
    return f"{content}.{encoded(private.sign(content.encode()))}"


def header(**changed: object) -> dict[str, object]:
    return {"alg": "EdDSA", "typ": "JWT", "kid": KEY.kid} | changed


def claims(**changed: object) -> dict[str, object]:
    sound = decoded(issue(ANN, KEY, now=NOW).split(".")[1])
    return {key: value for key, value in (sound | changed).items() if value is not ...}


def is_refused(token: str, now: int = NOW) -> bool:
    try:
        verify(token, KEYS, now=now)
    except InvalidTokenError:
        return True
    return False


@given(identities)
def test_who_somebody_is_comes_back(identity: Identity) -> None:
    assert verify(issue(identity, KEY, now=NOW), KEYS, now=NOW) == identity


def test_what_is_in_a_token() -> None:
    head, body, _ = issue(ANN, KEY, now=NOW).split(".")

    assert decoded(head) == {"alg": "EdDSA", "typ": "JWT", "kid": KEY.kid}
    assert decoded(body) == {
        "iss": "rowhouse-accounts",
        "aud": "rowhouse",
        "sub": "7",
        "name": "ann",
        "roles": ["operator", "user"],
        "iat": NOW,
        "exp": NOW + 12 * 60 * 60,
    }


@given(st.data())
def test_no_character_of_a_token_can_be_another(data: st.DataObject) -> None:
    token = issue(ANN, KEY, now=NOW)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(
        st.characters(min_codepoint=33, max_codepoint=126).filter(lambda c: c != token[at])
    )
    assert is_refused(token[:at] + other + token[at + 1 :])


@given(st.data())
def test_nothing_can_be_put_in_or_taken_out(data: st.DataObject) -> None:
    token = issue(ANN, KEY, now=NOW)
    at = data.draw(st.integers(0, len(token)))
    assert is_refused(token[:at] + data.draw(st.text(min_size=1, max_size=3)) + token[at:])
    assert at == len(token) or is_refused(token[:at] + token[at + 1 :])


@given(st.text() | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]{86}", fullmatch=True))
def test_nonsense_is_refused_and_nothing_else_raised(text: str) -> None:
    assert is_refused(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(st.sampled_from(["iss", "aud", "sub", "name", "roles", "iat", "exp"]), json_values)
def test_a_claim_of_another_type_is_refused_even_where_it_is_signed(
    claim: str, value: object
) -> None:
    token = signed(header(), claims(**{claim: value}))
    try:
        found = verify(token, KEYS, now=NOW)
    except InvalidTokenError:
        return
    assert isinstance(found.id, str) and found.id
    assert isinstance(found.name, str) and found.name
    assert all(isinstance(role, str) for role in found.roles)


@given(json_values, json_values)
def test_what_is_signed_but_no_token_is_refused(head: object, body: object) -> None:
    assert is_refused(signed(head, body))


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"iss": "somebody else"}, id="issuer"),
        pytest.param({"aud": "another-service"}, id="audience"),
        pytest.param({"sub": ""}, id="subject"),
        pytest.param({"sub": 7}, id="subject-number"),
        pytest.param({"name": ""}, id="name"),
        pytest.param({"roles": "operator"}, id="roles-text"),
        pytest.param({"roles": ["operator", 1]}, id="roles-number"),
        pytest.param({"exp": True}, id="exp-bool"),
        pytest.param({"exp": float("nan")}, id="exp-nan"),
        pytest.param({"iat": NOW + LEEWAY + 1}, id="not-issued-yet"),
        pytest.param({"nbf": NOW + LEEWAY + 1}, id="not-yet"),
        *(
            pytest.param({key: ...}, id=f"no-{key}")
            for key in ("iss", "aud", "sub", "name", "roles", "iat", "exp")
        ),
    ],
)
def test_claims_that_are_not_ours_are_refused(changed: dict[str, object]) -> None:
    assert is_refused(signed(header(), claims(**changed)))


def test_its_own_signing_is_sound() -> None:
    assert verify(signed(header(), claims()), KEYS, now=NOW) == ANN


@given(st.integers(-LEEWAY, 3 * LIFETIME))
def test_it_is_valid_for_twelve_hours(passed: int) -> None:
    token = issue(ANN, KEY, now=NOW)
    assert is_refused(token, NOW + passed) == (passed >= LIFETIME + LEEWAY)


def test_clocks_may_differ_a_little() -> None:
    token = issue(ANN, KEY, now=NOW)
    assert not is_refused(token, NOW - LEEWAY)
    assert is_refused(token, NOW - LEEWAY - 1)


def test_a_key_of_before_is_still_good_and_one_taken_away_is_not() -> None:
    token = issue(ANN, OLD_KEY, now=NOW)
    assert verify(token, KEYS, now=NOW) == ANN
    with pytest.raises(InvalidTokenError, match="a key that is not known here"):
        verify(token, {str(KEY.kid): KEYS[str(KEY.kid)]}, now=NOW)


def test_a_strangers_key_is_refused_whatever_it_is_called() -> None:
    assert is_refused(issue(ANN, STRANGER, now=NOW))
    assert is_refused(signed(header(), claims(), STRANGER))
    assert is_refused(signed(header(kid=OLD_KEY.kid), claims()))


@pytest.mark.parametrize("kid", [None, 1, [], {}, "", "../identity.pem"])
def test_a_key_has_to_be_named(kid: object) -> None:
    assert is_refused(signed(header(kid=kid), claims()))


def test_a_token_cannot_bring_its_own_key() -> None:
    jwk = STRANGER.as_dict(private=False)
    assert is_refused(signed(header(jwk=jwk), claims(), STRANGER))
    assert is_refused(signed(header(jku="https://evil.example/keys.json"), claims(), STRANGER))


@pytest.mark.parametrize("alg", ["none", "None", "NONE", ""])
def test_a_token_without_a_signature_is_refused(alg: str) -> None:
    content = f"{encoded(header(alg=alg))}.{encoded(claims())}"
    signature = issue(ANN, KEY, now=NOW).rpartition(".")[2]
    for end in ("", ".", f".{encoded(bytes(64))}", f".{signature}"):
        assert is_refused(content + end)


@pytest.mark.parametrize("alg", ["HS256", "HS512"])
def test_the_public_key_is_no_secret_to_sign_with(alg: str) -> None:
    """RFC 8725, section 2.1: the verifier must not take its public key for an HMAC secret."""
    content = f"{encoded(header(alg=alg))}.{encoded(claims())}"
    digest = {"HS256": hashlib.sha256, "HS512": hashlib.sha512}[alg]
    secrets = [KEY.as_pem(private=False), KEY.as_pem(private=False).strip(), b""]
    raw = KEYS[str(KEY.kid)].public_key.public_bytes_raw()
    for secret in [*secrets, raw]:
        mac = hmac.digest(secret, content.encode(), digest)
        assert is_refused(f"{content}.{encoded(mac)}")


@pytest.mark.parametrize("alg", ["Ed25519", "ES256", "RS256", "PS256", "eddsa", None, 1, ["EdDSA"]])
def test_another_algorithm_is_refused_even_over_a_sound_signature(alg: object) -> None:
    assert is_refused(signed(header(alg=alg), claims()))


@pytest.mark.parametrize("changed", [{"crit": ["x"], "x": 1}, {"b64": False, "crit": ["b64"]}])
def test_what_has_to_be_understood_and_is_not_is_refused(changed: dict[str, object]) -> None:
    assert is_refused(signed(header(**changed), claims()))


def test_what_is_too_long_is_refused_before_it_is_looked_at() -> None:
    with pytest.raises(InvalidTokenError, match=f"longer than {LONGEST} characters"):
        verify("a" * 10_000_000, KEYS)
    assert is_refused(signed(header(), claims(more="x" * LONGEST)))


def test_no_token_is_issued_that_would_be_refused() -> None:
    with pytest.raises(ValueError, match="give a shorter name or fewer roles"):
        issue(dataclasses.replace(ANN, name="x" * LONGEST), KEY)


def test_a_refusal_says_nothing_of_the_token() -> None:
    token = signed(header(kid="marker"), claims(name="marker"))
    with pytest.raises(InvalidTokenError) as refused:
        verify(token, KEYS)
    assert "marker" not in str(refused.value)
