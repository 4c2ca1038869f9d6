"""The stylesheet: legible in both schemes, and it asks nobody for anything."""

from __future__ import annotations

import re

import pytest

from shared_utils.look.files import FOLDER

CSS = re.sub(r"/\*.*?\*/", "", (FOLDER / "look.css").read_text(), flags=re.DOTALL)

SCHEMES = {
    "light": re.search(r":root \{(.*?)\}", CSS, re.DOTALL),
    "dark": re.search(r"scheme: dark\) \{\s*:root \{(.*?)\}", CSS, re.DOTALL),
}


def colours(scheme: str) -> dict[str, tuple[float, float, float]]:
    block = SCHEMES[scheme]
    assert block
    found = {}
    for name, digits in re.findall(r"--([a-z-]+): #([0-9a-f]{3,6})\b", block[1]):
        full = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
        red, green, blue = (int(full[start : start + 2], 16) / 255 for start in (0, 2, 4))
        found[name] = (red, green, blue)
    return found


def luminance(colour: tuple[float, float, float]) -> float:
    """Return the relative luminance (WCAG 2.2, section "relative luminance")."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_both_schemes_have_the_same_colours() -> None:
    assert set(colours("light")) == set(colours("dark"))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("front", "back", "ratio"),
    [
        *[
            (text, ground, 4.5)
            for text in ("soft", "brick", "good", "warn", "bad")
            for ground in ("paper", "card")
        ],
        ("ink", "paper", 7),
        ("ink", "card", 7),
        ("on-brick", "brick", 4.5),
        ("edge", "card", 3),
        ("edge", "paper", 3),
        ("brick", "line", 3),
    ],
)
def test_contrast_is_enough(scheme: str, front: str, back: str, ratio: float) -> None:
    """Text has 4.5 to 1 at least, the edge of a control 3 to 1 (WCAG 2.2, 1.4.3 and 1.4.11)."""
    held = colours(scheme)
    dark, light = sorted((luminance(held[front]), luminance(held[back])))
    assert (light + 0.05) / (dark + 0.05) >= ratio


def test_it_asks_for_no_other_file() -> None:
    assert not re.search(r"url\(|@import|@font-face|https?:", CSS)


def test_every_custom_property_that_is_used_is_set() -> None:
    used = set(re.findall(r"var\((--[a-z-]+)", CSS))
    assert used <= set(re.findall(r"(--[a-z-]+):", CSS))


def test_it_is_sound_css() -> None:
    assert CSS.count("{") == CSS.count("}")
    assert CSS.lstrip().startswith("@layer look {")
