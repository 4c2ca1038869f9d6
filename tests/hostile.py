"""What visitors and teams may write, and no page, line or statement may take for more than text."""

from __future__ import annotations

from hypothesis import strategies as st

MARKUP = "\"'></td></script><script>evil()</script><img src=x onerror=evil()>"
"""Ends attributes, cells and scripts, and begins what would run."""

TEXT = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(
            '\0\a\b\t\n\v\f\r\x1b\x1c\x1d\x1e\x7f\x85\x9b\u2028\u2029\u202e\ud800"\\{}%'
        ),
    )
)
"""Any text, with much of what ends lines, steers terminals or is of a format."""
