"""The pair of keys, in files."""

from __future__ import annotations

import logging
import stat
from pathlib import Path

import pytest
from flask import Flask
from joserfc.jwk import OKPKey, RSAKey

from shared_utils.identity import Identity
from shared_utils.identity.keys import PrivateKey, PublicKeys, UnusableKeyError, public_keys_in
from shared_utils.identity.tokens import InvalidTokenError, issue, verify
from tests.processes import at_once

MAKE = """
import sys
from flask import Flask
from shared_utils.identity.keys import PrivateKey
app = Flask("accounts")
app.config.update(IDENTITY_PRIVATE_KEY_FILE=sys.argv[1], IDENTITY_PUBLIC_KEY_FILE=sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
key = PrivateKey(app)
key.make()
print(key.current().kid)
"""


@pytest.fixture
def private(key_files: dict[str, str]) -> Path:
    return Path(key_files["IDENTITY_PRIVATE_KEY_FILE"])


@pytest.fixture
def public(key_files: dict[str, str]) -> Path:
    return Path(key_files["IDENTITY_PUBLIC_KEY_FILE"])


def test_the_pair_is_made_once(
    sibling: Flask, private_key: PrivateKey, private: Path, public: Path
) -> None:
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert "PRIVATE" not in public.read_text()
    before = private.read_bytes(), public.read_bytes()
    PrivateKey(sibling).make()
    assert (private.read_bytes(), public.read_bytes()) == before
    assert list(PublicKeys(sibling).current()) == [private_key.current().kid]
    assert sorted(path.name for path in private.parent.iterdir()) == [
        "identity.pem",
        "identity.pub.pem",
    ]


def test_of_several_processes_one_makes_it(private: Path, public: Path) -> None:
    with at_once(4, MAKE, private, public) as processes:
        kids = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert len(kids) == 1
    assert set(public_keys_in(public.read_text(), "")) == kids


def test_a_public_file_that_is_lost_is_written_again(private_key: PrivateKey, public: Path) -> None:
    public.unlink()
    private_key.make()
    assert list(public_keys_in(public.read_text(), "")) == [private_key.current().kid]


def test_rotation_signs_nobody_out_until_the_old_key_is_retired(
    sibling: Flask, private_key: PrivateKey, ann: Identity, private: Path
) -> None:
    keys = PublicKeys(sibling)
    other_process = PrivateKey(sibling)
    before = issue(ann, other_process.current())
    assert verify(before, keys.current()) == ann

    private_key.rotate()
    after = issue(ann, other_process.current())
    assert other_process.current().kid == private_key.current().kid
    assert [verify(token, keys.current()) for token in (before, after)] == [ann, ann]
    assert stat.S_IMODE(private.stat().st_mode) == 0o600

    assert private_key.retire() == 1
    assert verify(after, keys.current()) == ann
    with pytest.raises(InvalidTokenError):
        verify(before, keys.current())


def test_keys_may_stand_in_the_config(sibling: Flask, ann: Identity) -> None:
    keys = [OKPKey.generate_key("Ed25519") for _ in range(2)]
    for key in keys:
        key.ensure_kid()
    texts = [key.as_pem(private=False).decode() for key in keys]
    for given in (texts, "\n".join(texts), tuple(texts)):
        sibling.config["IDENTITY_PUBLIC_KEYS"] = given
        assert list(PublicKeys(sibling).current()) == [key.kid for key in keys]


@pytest.mark.parametrize(
    "given", [[], "", "nonsense", [1], ["-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----"]]
)
def test_without_a_key_nobody_is_signed_in_and_the_log_says_why_once(
    sibling: Flask, given: object, caplog: pytest.LogCaptureFixture
) -> None:
    sibling.config["IDENTITY_PUBLIC_KEYS"] = given
    keys = PublicKeys(sibling)
    with caplog.at_level(logging.ERROR):
        assert [keys.current(), keys.current()] == [{}, {}]
    assert caplog.text.count("nobody can be signed in to trades: IDENTITY_PUBLIC_KEYS: found") == 1


def test_a_missing_file_is_told_and_found_when_it_comes(
    sibling: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    keys = PublicKeys(sibling)
    assert keys.current() == {}
    assert "No such file or directory; make it so that it can be" in caplog.text
    PrivateKey(sibling).make()
    assert len(keys.current()) == 1


@pytest.mark.parametrize(
    ("key", "found"),
    [
        (OKPKey.generate_key("Ed448"), "found a key for Ed448; write an Ed25519 key"),
        (OKPKey.generate_key("X25519"), "found a key for X25519; write an Ed25519 key"),
        (RSAKey.generate_key(2048, auto_kid=True), "found something else; write an Ed25519 key"),
    ],
    ids=["Ed448", "X25519", "RSA"],
)
def test_keys_of_another_kind_are_refused(
    sibling: Flask, private: Path, key: OKPKey, found: str
) -> None:
    with pytest.raises(UnusableKeyError, match=found):
        public_keys_in(key.as_pem(private=False).decode(), "here")
    private.parent.mkdir()
    private.write_bytes(key.as_pem(private=True))
    private.chmod(0o600)
    with pytest.raises(UnusableKeyError, match=found):
        PrivateKey(sibling).make()


def test_a_private_key_is_no_public_one_and_is_not_repeated(
    sibling: Flask, private_key: PrivateKey, private: Path, public: Path
) -> None:
    text = private.read_text()
    with pytest.raises(UnusableKeyError, match='found a "PRIVATE KEY"') as refused:
        public_keys_in(text, "here")
    assert text.splitlines()[1] not in str(refused.value)
    private.write_text(public.read_text())
    with pytest.raises(UnusableKeyError, match="found a public key; write the private one"):
        private_key.current()


def test_a_private_key_that_others_can_read_is_told(
    sibling: Flask, private_key: PrivateKey, private: Path, caplog: pytest.LogCaptureFixture
) -> None:
    private.chmod(0o644)
    PrivateKey(sibling).current()
    assert f"chmod 600 {private}" in caplog.text


def test_a_folder_that_cannot_be_written_is_told(sibling: Flask, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    sibling.config["IDENTITY_PRIVATE_KEY_FILE"] = str(tmp_path / "file" / "identity.pem")
    with pytest.raises(UnusableKeyError, match="write another file for IDENTITY_PRIVATE_KEY_FILE"):
        PrivateKey(sibling).make()
