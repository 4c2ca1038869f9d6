"""Which names a new app may have, and which one was meant."""

from __future__ import annotations

import difflib
import importlib.metadata
import importlib.util
import keyword
import sys
from collections.abc import Iterable

import click

from shared_utils.hosting.settings import names
from shared_utils.hosting.settings.mounts import Settings

LONGEST = 40
"""Characters of a name: it is part of a URL, a cookie, a file and a variable."""


def name_fault(name: str, settings: Settings) -> str | None:
    """Return why a new app may not be called ``name``, or None where it may."""
    root = settings.project.root
    if not names.NAME.fullmatch(name):
        return "names are lower-case letters, digits and _, with a letter first"
    if names.fault(name):
        return "the host keeps it for itself"
    if len(name) > LONGEST:
        return f"names have at most {LONGEST} characters"
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        return "it is a word of the Python language"
    for folder in (f"apps/{name}", f"tests/apps/{name}"):
        if (root / folder).exists():
            return f"it is there already: {folder}"
    if name == "dev":
        return "it is the extra of this project's own tools in setup.cfg"
    if settings.find(name):
        return "the operator file has a mount of this name already"
    if (root / name).exists() or (root / f"{name}.py").exists():
        return "it is a name at the top of this project"
    if name in sys.stdlib_module_names:
        return "it is a module of the standard library"
    if name in importlib.metadata.packages_distributions() or importlib.util.find_spec(name):
        return "it is an installed module"
    return None


def unknown(name: str, known: Iterable[str]) -> click.BadParameter:
    """Return what to raise where no mount is called ``name``: wrong use, with the nearest name."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1) or known
    write = f"write {', '.join(near)}" if near else "no app is mounted"
    return click.BadParameter(f"no mount {name!r}; {write}", param_hint="NAME")
