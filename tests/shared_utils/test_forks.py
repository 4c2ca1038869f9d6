"""What has to begin anew in a child does so there, and keeps nothing alive."""

from __future__ import annotations

import gc
import os
import weakref

from shared_utils.forks import call_in_child


class Counting:
    def __init__(self) -> None:
        self.forks = 0
        call_in_child(self.count)

    def count(self) -> None:
        self.forks += 1


def forks_in_child(counting: Counting) -> int:
    """Return what the object has counted in a process that is forked here."""
    child = os.fork()
    if not child:
        os._exit(counting.forks)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_method_is_called_in_the_child_alone() -> None:
    counting = Counting()

    assert forks_in_child(counting) == 1
    assert counting.forks == 0


def test_an_object_is_not_kept_alive() -> None:
    gone = weakref.ref(Counting())
    gc.collect()

    assert gone() is None
    assert forks_in_child(Counting()) == 1
