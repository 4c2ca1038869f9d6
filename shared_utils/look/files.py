"""The stylesheet and the icon, at one URL for the whole row: ``/-/look/DIGEST/look.css``.

The host serves them, or the app itself where it is alone. The digest in the URL is that of the
content: a browser keeps it for good, and pages of new code ask for the new one.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import mimetypes
from collections.abc import Mapping
from pathlib import Path

from flask import Blueprint, Response, abort, current_app, request

from shared_utils.links import host_url

FOLDER = Path(__file__).parent / "static"

bp = Blueprint("look", __name__, template_folder="templates")
"""Serves the files, and has the templates."""

_FOR_GOOD = "public, max-age=31536000, immutable"  # RFC 8246
_ASK_AGAIN = "no-cache"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Files:
    """All files by name, and the digest of them together.

    They are read once, a few kilobytes: what a digest names is then what is sent, also while new
    files are being laid under a process that still runs.
    """

    content: Mapping[str, bytes]
    digest: str

    @classmethod
    def read(cls) -> Files:
        """Read them from the package."""
        paths = sorted(path for path in FOLDER.iterdir() if path.is_file())
        content = {path.name: path.read_bytes() for path in paths}
        digest = hashlib.sha256()
        for name, data in content.items():
            digest.update(f"{name}\0{len(data)}\0".encode() + data)
        return cls(content=content, digest=digest.hexdigest()[:16])


_once = functools.cache(Files.read)


def files() -> Files:
    """Return the files; in debug as they are now, for whoever writes on them."""
    return Files.read() if current_app.debug else _once()


def url(name: str) -> str:
    """Return the URL of a file, the same for all apps of the row.

    Raises:
        LookupError: there is no such file.
    """
    held = files()
    if name not in held.content:
        raise LookupError(f"the look has no file {name!r}; it has {', '.join(held.content)}")
    return host_url(f"/-/look/{held.digest}/{name}")


@bp.get("/-/look/<digest>/<name>")
def file(digest: str, name: str) -> Response:
    """Answer with a file, to be kept for good.

    A page of older or newer code asks with another digest, while workers are being replaced: it
    gets what there is, to be kept for this once.
    """
    held = files()
    if name not in held.content:
        abort(404)
    mimetype = mimetypes.guess_type(name)[0] or "application/octet-stream"
    response = Response(held.content[name], mimetype=mimetype)
    response.headers["Cache-Control"] = _FOR_GOOD if digest == held.digest else _ASK_AGAIN
    response.add_etag()
    response.make_conditional(request)
    return response
