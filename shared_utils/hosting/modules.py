"""Module hygiene: what a mended app runs is what stands on disk.

Two things would keep the old code alive in a process that tries again. A failed import leaves
submodules behind in ``sys.modules``; :func:`drop` takes them out. And Python trusts bytecode whose
source has the same size and the same second of modification, so that a quick mend runs as its old
self; :func:`own` makes it trust only bytecode that is younger than the last change of the file.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import sys
import threading
from collections.abc import Callable, Iterable, Sequence, Set
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, cast


class _CautiousLoader(importlib.machinery.SourceFileLoader):
    """Load source; use bytecode only where it was written after the source's last change."""

    def get_data(self, path: str) -> bytes:
        if path.endswith(tuple(importlib.machinery.BYTECODE_SUFFIXES)):
            written = Path(path).stat().st_mtime_ns
            # ctime, because a copy may bring an older time of modification along.
            if written <= Path(self.path).stat().st_ctime_ns:
                raise OSError(f"{path} may be older than {self.path}")
        return super().get_data(path)


class _OwnFinder(importlib.abc.MetaPathFinder):
    """Find the modules of mounts' own packages, and have them loaded with caution."""

    def __init__(self) -> None:
        self.packages: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        package = fullname
        # By membership alone: to go through the set would fail where another thread adds to it.
        while package not in self.packages:
            package = package.rpartition(".")[0]
            if not package:
                return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and type(spec.loader) is importlib.machinery.SourceFileLoader:
            spec.loader = _CautiousLoader(spec.loader.name, spec.loader.path)
        return spec


_finder = _OwnFinder()


def own(package: str) -> None:
    """Load modules of ``package`` with caution from now on."""
    # One step: a finalizer may run, and with it other threads, wherever an object is made.
    _finder.packages.add(package)
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    importlib.invalidate_caches()


def loaded(package: str) -> frozenset[str]:
    """Return the names of the modules of ``package`` that are loaded."""
    if package not in sys.modules:
        # To look at every name would write to its reference count, and so copy the pages that a
        # worker shares with gunicorn's master.
        return frozenset()
    return _loaded_now(package)


def drop(package: str, loaded_before: Iterable[str]) -> None:
    """Take the modules of ``package`` out that a failed build has loaded.

    Kept are modules that were there before the build, and those that a module outside the package
    holds on to: a neighbour uses them.

    Args:
        package: dotted name of a mount's own package.
        loaded_before: what :func:`loaded` said before the build.
    """
    own_now = _loaded_now(package)  # a package that failed has left its submodules behind
    fresh = own_now.difference(loaded_before)
    used = _used_from_outside(fresh, own_now)
    for name in sorted(fresh - used):
        module = sys.modules.pop(name, None)
        spec = getattr(module, "__spec__", None)
        if spec is not None and getattr(spec, "_initializing", False):
            # Its thread is left behind, and on its way out takes this name out of sys.modules.
            spec.name = f"{name} (left behind)"
        parent = sys.modules.get(name.rpartition(".")[0])
        attribute = name.rpartition(".")[2]
        # `from package import module` looks here before it imports.
        if parent is not None and getattr(parent, attribute, None) is module:
            delattr(parent, attribute)


def source_changed_since(package: str, moment: float) -> bool:
    """Say whether a source file or manifest of ``package`` has changed since ``moment``.

    Args:
        moment: seconds since the epoch, as ``time.time()`` gives them.
    """
    return any(_changed(path) > moment for path in _sources(package))


def forget_unfinished_imports() -> None:
    """Make imports work again that another thread was in when this process was forked.

    That thread does not exist here: the modules it was importing stay half made, and the locks on
    them stay held.
    """
    locks, this_thread = _import_locks(), threading.get_ident()
    ours = {
        name for name, lock in list(locks.items()) if getattr(lock(), "owner", None) == this_thread
    }
    for name, module in list(sys.modules.items()):
        spec = _namespace(module).get("__spec__")
        if name not in ours and getattr(spec, "_initializing", False):
            sys.modules.pop(name, None)
    for name in set(locks) - ours:
        locks.pop(name, None)


def abandon_imports(package: str) -> None:
    """Let ``package`` be imported anew although a thread that cannot be ended is importing it."""
    locks = _import_locks()
    for name in [name for name in list(locks) if _is_in(name, package)]:
        locks.pop(name, None)


def _import_locks() -> dict[str, Callable[[], object]]:
    """Return the import system's locks by module: its own affair, and only there to be cleared."""
    locks = getattr(importlib._bootstrap, "_module_locks", None)
    return locks if isinstance(locks, dict) else {}


def _is_in(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def _loaded_now(package: str) -> frozenset[str]:
    return frozenset(name for name in list(sys.modules) if _is_in(name, package))


def _used_from_outside(names: Set[str], own_now: Set[str]) -> set[str]:
    """Return those of ``names`` that a module which is not the package's own refers to."""
    modules = {id(sys.modules[name]): name for name in names}
    ancestors = {name.rpartition(".")[0] for name in own_now}  # the import system's own reference
    used: set[str] = set()
    for holder, module in list(sys.modules.items()):
        if holder in own_now or holder in ancestors:
            continue
        for value in list(_namespace(module).values()):
            # By type alone: an attribute of an unknown object may be made when it is asked for.
            kind = type(value)
            origin = modules.get(id(value))
            if origin is None:
                named = value if issubclass(kind, type | FunctionType) else kind
                with contextlib.suppress(Exception):  # a metaclass of its own may object
                    origin = named.__module__
            if isinstance(origin, str) and origin in names:
                used.add(origin)
    return used


def _namespace(module: object) -> dict[str, Any]:
    """Return what a module holds, past properties that would import a lazy one."""
    if not issubclass(type(module), ModuleType):
        return {}
    return cast("dict[str, Any]", vars(ModuleType)["__dict__"].__get__(module))


def _sources(package: str) -> Iterable[Path]:
    *parents, last = package.split(".")
    places: Iterable[str] = sys.path
    if parents:
        parent = sys.modules.get(".".join(parents))
        places = getattr(parent, "__path__", [])
    for place in [place for place in places if isinstance(place, str)]:
        folder = Path(place or ".") / last
        try:
            if folder.is_dir():
                return [*folder.rglob("*.py"), *folder.glob("app.toml")]
            if folder.with_suffix(".py").is_file():
                return [folder.with_suffix(".py")]
        except OSError:  # taken away while it is being listed
            return []
    return []


def _changed(path: Path) -> float:
    try:
        return path.stat().st_ctime
    except OSError:
        return 0.0  # gone between the listing and the look
