"""What the operator's console sees of this process: ``docs/operations.md``.

listening.py   a unix socket of this worker, and the thread that answers on it
answers.py     what it answers
aside.py       what of that may run code of an app
recent.py      the slowest and the failed requests of late
sampling.py    the last 15 minutes of all workers, written down by one of them at a time
inside.py      routes and config of an app
folders.py     where the sockets of one master's workers are
"""

from __future__ import annotations

from shared_utils.hosting.inspection.inspection import Inspection

__all__ = ["Inspection"]
