"""What is different under the development server."""

from __future__ import annotations

import click
from flask.helpers import get_debug_flag
from werkzeug.serving import is_running_from_reloader


def is_reloaders_parent() -> bool:
    """Say whether this process only watches files: its child, the reloader's, serves them."""
    context = click.get_current_context(silent=True)
    if context is None or context.info_name != "run" or is_running_from_reloader():
        return False
    reload = context.params.get("reload")
    return get_debug_flag() if reload is None else bool(reload)
