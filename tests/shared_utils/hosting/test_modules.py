from __future__ import annotations

import contextlib
import gc
import importlib
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from shared_utils.hosting import modules as hygiene

if TYPE_CHECKING:
    from tests.conftest import Modules


@pytest.fixture(autouse=True)
def bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)


def load(name: str) -> ModuleType:
    importlib.invalidate_caches()
    return importlib.import_module(name)


def rewritten(path: Path, source: str) -> None:
    """Write ``source`` with the same size and the same time of modification as before."""
    before = path.stat()
    path.write_text(source)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


def test_a_file_mended_within_the_second_and_of_the_same_size_runs_new(modules: Modules) -> None:
    name = modules.write("VALUE = 1\n")
    hygiene.own(name)
    assert load(name).VALUE == 1
    del sys.modules[name]
    rewritten(modules.folder / f"{name}.py", "VALUE = 2\n")
    assert load(name).VALUE == 2


def test_so_does_a_submodule(modules: Modules) -> None:
    name = modules.package({"deep/__init__.py": "", "deep/leaf.py": "VALUE = 1\n"})
    hygiene.own(name)
    assert load(f"{name}.deep.leaf").VALUE == 1
    for loaded in (f"{name}.deep.leaf", f"{name}.deep", name):
        del sys.modules[loaded]
    rewritten(modules.folder / name / "deep" / "leaf.py", "VALUE = 2\n")
    assert load(f"{name}.deep.leaf").VALUE == 2


def test_bytecode_younger_than_its_source_is_used(modules: Modules) -> None:
    name = modules.write("VALUE = 1\n")
    hygiene.own(name)
    cached = Path(load(name).__cached__)
    # Not trusted while it may be of the same moment; trusted once it is surely younger.
    os.utime(cached, ns=(time.time_ns() + 10**10,) * 2)
    source = modules.folder / f"{name}.py"
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert isinstance(spec.loader, hygiene._CautiousLoader)
    assert spec.loader.get_data(str(cached)) == cached.read_bytes()
    os.utime(cached, ns=(source.stat().st_ctime_ns,) * 2)
    with pytest.raises(OSError, match="may be older"):
        spec.loader.get_data(str(cached))


def test_the_finder_stands_once_and_only_for_own_packages(modules: Modules) -> None:
    name = modules.write("")
    hygiene.own(name)
    hygiene.own(name)
    finders = [finder for finder in sys.meta_path if isinstance(finder, hygiene._OwnFinder)]
    assert len(finders) == 1
    assert finders[0].find_spec("json", None) is None
    assert finders[0].find_spec(f"{name}x", None) is None


def test_packages_owned_by_several_threads_are_all_owned() -> None:
    names = [f"rowtest_own_{number}" for number in range(400)]

    def own(part: list[str]) -> None:
        for name in part:
            hygiene.own(name)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=own, args=[names[start::8]]) for start in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    missing = set(names) - hygiene._finder.packages
    hygiene._finder.packages -= set(names)
    assert not missing


def test_a_package_owned_by_a_finalizer_in_the_midst_of_another_is_owned_too() -> None:
    class Late:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            hygiene.own("rowtest_own_late")

    thresholds = gc.get_threshold()
    gc.collect()
    Late()
    gc.set_threshold(1)  # whatever is made next collects
    try:
        hygiene.own("rowtest_own_first")
    finally:
        gc.set_threshold(*thresholds)
    gc.collect()
    names = {"rowtest_own_first", "rowtest_own_late"}
    missing = names - hygiene._finder.packages
    hygiene._finder.packages -= names
    assert not missing


# Dropping.


def test_drop_takes_out_what_a_failed_import_left(modules: Modules) -> None:
    name = modules.package({"__init__.py": "from . import a\nraise ValueError\n", "a.py": ""})
    before = set(sys.modules)
    with pytest.raises(ValueError):
        load(name)
    assert f"{name}.a" in sys.modules
    hygiene.drop(name, before)
    assert not [loaded for loaded in sys.modules if loaded.startswith(name)]


def test_drop_keeps_what_was_loaded_before(modules: Modules) -> None:
    name = modules.package({"a.py": "", "b.py": ""})
    a = load(f"{name}.a")
    before = set(sys.modules)
    load(f"{name}.b")
    hygiene.drop(name, before)
    assert sys.modules[f"{name}.a"] is a
    assert f"{name}.b" not in sys.modules
    assert not hasattr(sys.modules[name], "b")


def test_from_package_import_finds_the_mended_module(modules: Modules) -> None:
    name = modules.package({"b.py": "VALUE = 1\n"})
    load(name)
    before = set(sys.modules)
    hygiene.own(name)
    load(f"{name}.b")
    hygiene.drop(name, before)
    modules.package({"b.py": "VALUE = 2\n"}, name)
    found: dict[str, Any] = {}
    exec(f"from {name} import b", found)
    assert found["b"].VALUE == 2


@pytest.mark.parametrize(
    "use",
    [
        pytest.param("import {name}.b as b\n", id="module"),
        pytest.param("from {name}.b import function\n", id="function"),
        pytest.param("from {name}.b import Class\n", id="class"),
        pytest.param("from {name}.b import instance\n", id="instance"),
    ],
)
def test_drop_keeps_what_a_neighbour_uses(modules: Modules, use: str) -> None:
    name = modules.package(
        {
            "b.py": "def function(): ...\nclass Class: ...\ninstance = Class()\n",
            "c.py": "",
        }
    )
    load(name)
    before = set(sys.modules)
    load(f"{name}.c")
    load(modules.write(use.format(name=name)))
    hygiene.drop(name, before)
    assert f"{name}.b" in sys.modules
    assert f"{name}.c" not in sys.modules


def test_drop_leaves_other_packages_alone(modules: Modules) -> None:
    name = modules.package({"a.py": ""})
    other = modules.write("", f"{name}_other")
    before = set(sys.modules)
    load(f"{name}.a")
    load(other)
    hygiene.drop(name, before)
    assert other in sys.modules
    del sys.modules[other]


def prickly_instance() -> object:
    class Prickly:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError("working outside of context")

    return Prickly()


def prickly_class() -> object:
    class Meta(type):
        def __getattribute__(cls, name: str) -> Any:
            raise RuntimeError("working outside of context")

    return Meta("Prickly", (), {})


@pytest.mark.parametrize("make", [prickly_instance, prickly_class])
def test_drop_does_not_look_into_what_a_neighbour_holds(
    modules: Modules, monkeypatch: pytest.MonkeyPatch, make: Callable[[], object]
) -> None:
    neighbour = ModuleType("rowtest_prickly")
    neighbour.__dict__["value"] = make()
    monkeypatch.setitem(sys.modules, "rowtest_prickly", neighbour)
    name = modules.write("")
    before = set(sys.modules)
    load(name)
    hygiene.drop(name, before)
    assert name not in sys.modules


def test_drop_bears_what_is_no_module(modules: Modules, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rowtest_none", None)
    name = modules.write("")
    before = set(sys.modules)
    load(name)
    hygiene.drop(name, before)
    assert name not in sys.modules


# Changes.


def test_a_changed_source_is_seen(modules: Modules) -> None:
    name = modules.package({"deep/leaf.py": "", "app.toml": ""})
    assert hygiene.source_changed_since(name, 0)
    assert not hygiene.source_changed_since(name, time.time() + 60)
    newest = max(path.stat().st_ctime for path in (modules.folder / name).rglob("*.*"))
    assert not hygiene.source_changed_since(name, newest)


def test_a_changed_module_without_a_package_is_seen(modules: Modules) -> None:
    name = modules.write("")
    assert hygiene.source_changed_since(name, 0)
    assert not hygiene.source_changed_since(f"{name}_missing", 0)


def test_a_package_inside_another_is_found(modules: Modules) -> None:
    outer = modules.package({"inner/__init__.py": "", "inner/app.toml": ""})
    load(outer)
    assert hygiene.source_changed_since(f"{outer}.inner", 0)
    assert not hygiene.source_changed_since(f"{outer}.other", 0)


# Imports that hang.


def test_an_abandoned_import_can_be_done_again(modules: Modules) -> None:
    name = modules.unique()
    begun, go = threading.Event(), threading.Event()
    gate = ModuleType(f"{name}_gate")
    gate.__dict__.update(begun=begun, go=go)
    sys.modules[gate.__name__] = gate
    modules.write(f"import {name}_gate as g\ng.begun.set()\ng.go.wait(20)\n", name)
    before = set(sys.modules)

    def hang() -> None:
        with contextlib.suppress(KeyError):  # its module is not where it was when it comes back
            importlib.import_module(name)

    hung = threading.Thread(target=hang, daemon=True)
    hung.start()
    try:
        assert begun.wait(20)
        modules.write("VALUE = 2\n", name)
        hygiene.own(name)
        hygiene.drop(name, before)
        hygiene.abandon_imports(name)
        values: list[int] = []
        again = threading.Thread(target=lambda: values.append(load(name).VALUE), daemon=True)
        again.start()
        again.join(20)
        assert values == [2]
    finally:
        go.set()
        hung.join()
        del sys.modules[gate.__name__]
    assert sys.modules[name].VALUE == 2


def test_unfinished_imports_are_forgotten(modules: Modules) -> None:
    done = modules.write("")
    load(done)
    half = ModuleType("rowtest_half")
    half.__spec__ = importlib.machinery.ModuleSpec("rowtest_half", None)
    half.__spec__._initializing = True  # type: ignore[attr-defined]
    sys.modules["rowtest_half"] = half
    hygiene.forget_unfinished_imports()
    assert "rowtest_half" not in sys.modules
    assert done in sys.modules
