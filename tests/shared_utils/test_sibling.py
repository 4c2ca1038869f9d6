from __future__ import annotations

import pytest
from flask import Flask

from shared_utils.sibling import EXTENSION, Sibling, sibling_of


def test_the_place_of_an_app() -> None:
    app = Flask("x", root_path="/")
    place = Sibling(name="x", prefix="/x", row={}, origins={})
    app.extensions[EXTENSION] = place
    assert sibling_of(app) is place


@pytest.mark.parametrize("extensions", [{}, {EXTENSION: "another extension of that name"}])
def test_an_app_that_was_not_configured(extensions: dict[str, object]) -> None:
    app = Flask("x", root_path="/")
    app.extensions.update(extensions)
    with pytest.raises(LookupError, match=r"the app 'x' .* call configure_app"):
        sibling_of(app)
