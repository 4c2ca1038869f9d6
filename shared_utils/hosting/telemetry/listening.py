"""Who listens to the requests of a host, or of an app that is served alone."""

from __future__ import annotations

from flask import Flask, got_request_exception

from shared_utils.hosting.settings.secrets import masked_text
from shared_utils.hosting.telemetry import threads, tracing
from shared_utils.hosting.telemetry.access import AccessLog
from shared_utils.hosting.telemetry.record import MOST_SAID, current
from shared_utils.hosting.telemetry.recorder import Recorder
from shared_utils.hosting.telling import told


def listen(recorder: Recorder) -> Recorder:
    """Have each request logged, and traced where that is switched on; return the recorder.

    Threads that a request starts log as it does.
    """
    threads.carry()
    got_request_exception.connect(_failed)
    if tracing.switch():
        recorder.entered.append(tracing.enter)
    recorder.finished.append(AccessLog())
    return recorder


def _failed(sender: Flask, exception: BaseException, **_: object) -> None:
    """Keep in short what a Flask app has answered with a 500 by itself."""
    current.get().failure = masked_text(told(exception)[0], MOST_SAID)
