"""The pair of keys, in files: the issuer's private one, and the public ones that all may read.

The public file may hold several: a token names the key that it is signed with, so that those of
the key before stay valid while a new one is in use.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from flask import Flask
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

logger = logging.getLogger(__name__)

CURVE: Literal["Ed25519"] = "Ed25519"
PRIVATE_KEY_FILE = "IDENTITY_PRIVATE_KEY_FILE"
PUBLIC_KEY_FILE = "IDENTITY_PUBLIC_KEY_FILE"
PUBLIC_KEYS = "IDENTITY_PUBLIC_KEYS"

Keys = dict[str, OKPKey]
"""Keys by their ``kid``."""
Stamp = tuple[int, int, int]
"""What changes with a file: its inode, its size, and when it was written."""

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)


class UnusableKeyError(ValueError):
    """A key that cannot be used: says where it is, what was found, and what to write instead."""


class PublicKeys:
    """The public keys of an app: read when they are first needed, and again when they change."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._known: tuple[object, Keys] = (None, {})

    def current(self) -> Keys:
        """Return the keys; none, and a line in the log, where they cannot be read."""
        given = self._app.config.get(PUBLIC_KEYS)
        path = public_key_file(self._app)
        # What they were read from, so that nothing is read twice, and no fault is told twice.
        source = stamp(path) if given is None else (given if isinstance(given, str) else [*given])
        read_from, keys = self._known
        if read_from != (path, source):
            try:
                keys = _read_public(path) if given is None else _given(given)
            except UnusableKeyError as error:
                logger.error("nobody can be signed in to %s: %s", self._app.name, error)
                keys = {}
            self._known = (path, source), keys
        return keys


class PrivateKey:
    """The issuer's private key: made where there is none, read again when it changes."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._known: tuple[Stamp | None, OKPKey] | None = None

    def make(self) -> None:
        """Make the pair where it is missing, whole or not at all; publish the public key.

        Of several processes that do so at once, one wins.

        Raises:
            UnusableKeyError: a file cannot be read or written, or holds something else.
        """
        private, public = private_key_file(self._app), public_key_file(self._app)
        with _told(private, PRIVATE_KEY_FILE):
            if not private.exists():
                private.parent.mkdir(parents=True, exist_ok=True)
                _write(private, new_key().as_pem(private=True), 0o600, replace=False)
        _publish(self.current(), public)

    def current(self) -> OKPKey:
        """Return the private key.

        Raises:
            UnusableKeyError: there is none, or something else.
        """
        path = private_key_file(self._app)
        found = stamp(path)
        if self._known is None or self._known[0] != found:
            self._known = found, _read_private(path)
        return self._known[1]

    def rotate(self) -> OKPKey:
        """Take a new private key into use; tokens of the one before stay valid."""
        private, public = private_key_file(self._app), public_key_file(self._app)
        key = new_key()
        # First the public one: no token may be about that nobody can verify.
        _publish(key, public)
        with _told(private, PRIVATE_KEY_FILE):
            _write(private, key.as_pem(private=True), 0o600, replace=True)
        return self.current()

    def retire(self) -> int:
        """Take all public keys but the current one away; return how many that were.

        Whoever holds a token of one of them is signed out.
        """
        public, key = public_key_file(self._app), self.current()
        others = [kid for kid in _read_public(public) if kid != key.kid]
        with _told(public, PUBLIC_KEY_FILE):
            _write(public, key.as_pem(private=False), 0o644, replace=True)
        return len(others)


def private_key_file(app: Flask) -> Path:
    """Return where the private key is: ``IDENTITY_PRIVATE_KEY_FILE``, for the issuer alone."""
    return _file(app, PRIVATE_KEY_FILE, "identity.pem")


def public_key_file(app: Flask) -> Path:
    """Return where the public keys are: ``IDENTITY_PUBLIC_KEY_FILE``."""
    return _file(app, PUBLIC_KEY_FILE, "identity.pub.pem")


def stamp(path: Path) -> Stamp | None:
    """Return what changes with a file; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def public_keys_in(text: str, where: str) -> Keys:
    """Return the public keys in a text of PEM blocks (RFC 7468).

    Raises:
        UnusableKeyError: there is none, or something else as well.
    """
    keys = {}
    for block in _BLOCK.finditer(text):
        if block[1] != "PUBLIC KEY":
            raise UnusableKeyError(
                f'{where}: found a "{block[1]}"; write public keys alone, as identity.pub.pem'
            )
        key = _imported(block[0], where)
        keys[_named(key)] = key
    if not keys:
        raise UnusableKeyError(f"{where}: found no public key; write PEM, as identity.pub.pem")
    return keys


def _file(app: Flask, key: str, name: str) -> Path:
    # Relative to the project, wherever the process was started.
    return Path(app.instance_path).parent / (app.config.get(key) or Path(app.instance_path, name))


def _given(given: str | Iterable[str]) -> Keys:
    text = given if isinstance(given, str) else "\n".join(map(str, given))
    return public_keys_in(text, PUBLIC_KEYS)


def new_key() -> OKPKey:
    """Return a private key that nobody has seen."""
    key = OKPKey.generate_key(CURVE)
    _named(key)
    return key


def _read_private(path: Path) -> OKPKey:
    with _told(path, PRIVATE_KEY_FILE):
        text = path.read_text(encoding="ascii", errors="replace")
        if path.stat().st_mode & 0o077:
            logger.warning("%s can be read by other users; write: chmod 600 %s", path, path)
    key = _imported(text, str(path))
    if not key.is_private:
        raise UnusableKeyError(f"{path}: found a public key; write the private one")
    _named(key)
    return key


def _read_public(path: Path) -> Keys:
    with _told(path, PUBLIC_KEY_FILE):
        return public_keys_in(path.read_text(encoding="ascii", errors="replace"), str(path))


def _imported(pem: str, where: str) -> OKPKey:
    try:
        key = OKPKey.import_key(pem)
        if key.curve_name == CURVE:
            return key
        found = f"a key for {key.curve_name}"
    # Whatever the library says of what is no key, or one for something else.
    except (JoseError, ValueError, TypeError):
        found = "something else"
    raise UnusableKeyError(f"{where}: found {found}; write an {CURVE} key as PEM")


def _named(key: OKPKey) -> str:
    """Give a key its name, which follows from what it is (RFC 7638); return it."""
    key.ensure_kid()
    return str(key.kid)


def _publish(key: OKPKey, path: Path) -> None:
    """Have the public file begin with ``key``; those that are in it stay."""
    others = list(_read_public(path).values()) if path.exists() else []
    if others and others[0].kid == key.kid:
        return
    keys = [key, *(other for other in others if other.kid != key.kid)]
    with _told(path, PUBLIC_KEY_FILE):
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, b"".join(each.as_pem(private=False) for each in keys), 0o644, replace=True)


def _write(path: Path, content: bytes, mode: int, *, replace: bool) -> None:
    """Write a file whole or not at all; without ``replace``, the first that does so wins."""
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
        if replace:
            Path(draft).replace(path)
        else:
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
    finally:
        Path(draft).unlink(missing_ok=True)


@contextlib.contextmanager
def _told(path: Path, key: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        fault = error.strerror or type(error).__name__
        raise UnusableKeyError(
            f"{path}: {fault}; make it so that it can be, or write another file for {key}"
        ) from None
