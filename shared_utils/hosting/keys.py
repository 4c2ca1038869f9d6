"""Keys: one root key for the host, one key derived from it for each mount.

Derivation is HKDF-SHA256 (RFC 5869) with the mount's name as context, so that no app can tell a
neighbour's key, or the root key, from its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path

from shared_utils.hosting.settings.mistakes import ConfigError, Mistake

VARIABLE = "ROWHOUSE_SECRET_KEY"
OLD_VARIABLE = "ROWHOUSE_SECRET_KEY_FALLBACKS"
FILE = "secret_key"

_HASH_LENGTH = hashlib.sha256().digest_size


def root_keys(instance: Path, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return the root keys, the current one first, then old ones from the newest to the oldest.

    The current one is ``ROWHOUSE_SECRET_KEY``, else the first line of ``instance/secret_key``,
    which is written with a random key (mode 0600) where it is missing. Old ones are in
    ``ROWHOUSE_SECRET_KEY_FALLBACKS``, separated by commas or spaces, else the further lines of
    that file.

    Raises:
        ConfigError: the file cannot be read or written, or is empty.
    """
    environ = os.environ if environ is None else environ
    old = [key for key in re.split(r"[\s,]+", environ.get(OLD_VARIABLE, "")) if key]
    if current := environ.get(VARIABLE, ""):
        if not current.strip():
            found, write = "is blank", "write a key, or unset it"
            raise ConfigError([Mistake(file=VARIABLE, found=found, write=write)])
        return (current, *old)
    kept = _kept(instance / FILE)
    return (kept[0], *(old or kept[1:]))


def derived_key(root_key: str, name: str) -> str:
    """Return the key of the mount ``name``: 64 hexadecimal digits.

    >>> derived_key("root", "trades") == derived_key("root", "home")
    False
    """
    return hkdf(root_key.encode(), info=b"rowhouse secret key " + name.encode()).hex()


def hkdf(key: bytes, *, info: bytes, salt: bytes = b"", length: int = _HASH_LENGTH) -> bytes:
    """Derive ``length`` bytes (at most 8,160) from ``key`` by HKDF-SHA256 (RFC 5869)."""
    extracted = hmac.digest(salt or bytes(_HASH_LENGTH), key, "sha256")
    block, blocks = b"", b""
    for counter in range(1, -(-length // _HASH_LENGTH) + 1):
        block = hmac.digest(extracted, block + info + bytes([counter]), "sha256")
        blocks += block
    return blocks[:length]


def _kept(path: Path) -> list[str]:
    """Return the lines of the key file; write it first where it is missing."""
    try:
        if not path.exists():
            _write_new(path)
        lines = [line.strip() for line in path.read_text(encoding="ascii").splitlines()]
        keys = [line for line in lines if line]
    except UnicodeError:
        write = "delete it, or write a key of plain ASCII into it"
        mistake = Mistake(file=str(path), found="is not plain text", write=write)
        raise ConfigError([mistake]) from None
    except OSError as error:
        fault = error.strerror or type(error).__name__
        raise ConfigError(
            [
                Mistake(
                    file=str(path),
                    found=f"cannot keep the root key here ({fault})",
                    write=f"make its folder writable, or set {VARIABLE} in the environment",
                )
            ]
        ) from None
    if not keys:
        raise ConfigError(
            [Mistake(file=str(path), found="is empty", write="delete it, or write a key into it")]
        )
    return keys


def _write_new(path: Path) -> None:
    """Write a random key, whole or not at all; of two processes that do so at once one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{secrets.token_hex(32)}\n")
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        Path(draft).unlink()
