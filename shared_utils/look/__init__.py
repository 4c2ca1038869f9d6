"""The look that apps share: a stylesheet, a base template, and macros for the parts of a page.

    look.init_app(app)                    # in create_app, after configure_app

    {% extends "look/base.html" %}        # in a template
    {% from "look/macros.html" import field, buttons %}

An app that never calls ``init_app`` looks as it likes. ``docs/look.md`` tells of every block,
macro, class and custom property.
"""

from __future__ import annotations

from flask import Flask

from shared_utils.look import header
from shared_utils.look.files import bp
from shared_utils.look.states import state_label

__all__ = ["bp", "init_app"]


def init_app(app: Flask) -> None:
    """Give an app the templates, and ``look`` in each of them (:mod:`shared_utils.look.header`).

    ``state_label`` is a filter there, which says a state in words.

    The app serves the files as well, for when it is alone; mounted, its pages take the host's.
    """
    app.register_blueprint(bp)
    app.jinja_env.globals["look"] = header
    app.add_template_filter(state_label)
