"""Passwords, as argon2id keeps them (RFC 9106), a few at a time.

A hash takes 64 MiB and a good part of a second on purpose. Without a cap, forty people who sign in
at once, or one who tries forty passwords, would take gigabytes from all apps of the process.
"""

from __future__ import annotations

import base64
import contextlib
import os
import threading
from collections.abc import Iterator

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from flask import Flask, current_app
from werkzeug.exceptions import ServiceUnavailable

EXTENSION = "accounts_hashing"

DEFAULTS = {
    "HASH_MEMORY": 64 * 1024,  # KiB; this and the next two are RFC 9106's second choice
    "HASH_PASSES": 3,
    "HASH_LANES": 4,
    "HASHES_AT_ONCE": 2,  # in each worker process
    "HASH_PATIENCE": 5,  # seconds that one waits for its turn
}


class Hashing:
    """Hashes of one app."""

    def __init__(
        self, *, memory: int, passes: int, lanes: int, at_once: int, patience: float
    ) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory, parallelism=lanes)
        self._turns = threading.BoundedSemaphore(at_once)
        self._patience = patience
        # Of no password, but with the same work: made up, so that its first use costs no more.
        salt, digest = (_base64(os.urandom(size)) for size in (16, 32))
        self._nobodys = f"$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${digest}"

    def hash(self, password: str) -> str:
        """Return what to keep of a password.

        Raises:
            ServiceUnavailable: too many others wait as well.
        """
        with self._turn():
            return self._hasher.hash(_bytes(password))

    def verify(self, hashed: str | None, password: str) -> bool:
        """Say whether this is the password.

        Args:
            hashed: what was kept of it; None, where there is no such user, takes as long.
            password: what somebody says that it is.

        Raises:
            ServiceUnavailable: too many others wait as well.
        """
        with self._turn():
            try:
                self._hasher.verify(hashed or self._nobodys, _bytes(password))
            except (VerifyMismatchError, VerificationError, InvalidHashError):
                return False
            return hashed is not None

    def is_outdated(self, hashed: str) -> bool:
        """Say whether it was hashed with other settings than the ones now."""
        return self._hasher.check_needs_rehash(hashed)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._turns.acquire(timeout=self._patience):
            raise ServiceUnavailable(
                "Too many people sign in at this moment: try again in a few seconds.",
                retry_after=5,
            )
        try:
            yield
        finally:
            self._turns.release()


def init_app(app: Flask) -> None:
    """Give ``app`` its hashing, as its config says.

    Raises:
        ValueError: a value of the config is not a whole number above 0.
    """
    for key, default in DEFAULTS.items():
        value = app.config.setdefault(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{key} is {value!r}; write a whole number above 0, such as {default}")
    lanes, memory = app.config["HASH_LANES"], app.config["HASH_MEMORY"]
    if memory < 8 * lanes:
        raise ValueError(f"HASH_MEMORY is {memory}; write at least {8 * lanes}, 8 KiB for a lane")
    app.extensions[EXTENSION] = Hashing(
        memory=memory,
        passes=app.config["HASH_PASSES"],
        lanes=lanes,
        at_once=app.config["HASHES_AT_ONCE"],
        patience=app.config["HASH_PATIENCE"],
    )


def current() -> Hashing:
    """Return the hashing of the current app."""
    held: Hashing = current_app.extensions[EXTENSION]
    return held


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")  # JSON may hold half a character


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")
