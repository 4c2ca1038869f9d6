"""The macros: markup that is sound, escaped and accessible."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from tests.hostile import MARKUP
from tests.shared_utils.look.conftest import Rendered

IMPORT = (
    '{% from "look/macros.html" import area, badge, buttons, cell, check, choice, empty, field, '
    "message, nav_link, pager, progress, row, table %}"
)


@pytest.fixture
def made(render: Rendered) -> Rendered:
    """Render an expression or a template with all macros at hand."""

    def made(source: str, **context: object) -> str:
        source = source if source.startswith("{") else "{{ " + source + " }}"
        return render(IMPORT + source, **context).strip()

    return made


def tree(html: str) -> ElementTree.Element:
    """Return markup as a tree: void elements and bare attributes as XML would have them."""
    closed = re.sub(r"<(input[^>]*)>", r"<\1/>", html)
    closed = re.sub(r" (required|checked|selected|disabled)(?=[ />])", r' \1="\1"', closed)
    return ElementTree.fromstring(closed)


def test_a_field_has_its_label(made: Rendered) -> None:
    field = tree(made("field('price', 'Price', 12, required=true, inputmode='decimal')"))
    control = field.find("input")

    assert control is not None
    assert control.attrib == {
        "id": "price",
        "name": "price",
        "type": "text",
        "value": "12",
        "required": "required",
        "inputmode": "decimal",
    }
    label = field.find("label")
    assert label is not None
    assert (label.get("for"), label.text) == ("price", "Price")


@pytest.mark.parametrize(
    "call",
    [
        "field('n', 'N', hint=hint, error=error, id='i')",
        "area('n', 'N', hint=hint, error=error, id='i')",
        "choice('n', 'N', [('a', 'A')], hint=hint, error=error, id='i')",
        "check('n', 'N', hint=hint, error=error, id='i')",
    ],
)
@pytest.mark.parametrize(
    ("hint", "error", "described", "invalid"),
    [
        ("", "", None, None),
        ("Hint", "", "i-hint", None),
        ("", "Wrong", "i-error", "true"),
        ("Hint", "Wrong", "i-hint i-error", "true"),
    ],
)
def test_a_control_is_described_by_its_hint_and_its_error(
    made: Rendered, call: str, hint: str, error: str, described: str | None, invalid: str | None
) -> None:
    field = tree(made(call, hint=hint, error=error))
    control = field.find("*[@name='n']")

    assert control is not None
    assert control.get("aria-describedby") == described
    assert control.get("aria-invalid") == invalid
    said = {p.get("id"): p.text for p in field.iter("p")}
    assert said == {id: text for id, text in [("i-hint", hint), ("i-error", error)] if text}


@pytest.mark.parametrize("kind", ["password", "file"])
def test_what_must_not_be_sent_back_is_not(made: Rendered, kind: str) -> None:
    assert "value" not in made("field('n', 'N', 'secret', type=kind)", kind=kind)


@pytest.mark.parametrize("name", ["field", "area"])
def test_nothing_is_an_empty_value(made: Rendered, name: str) -> None:
    assert "None" not in made(f"{name}('n', 'N', none)")
    assert "0" in made(f"{name}('n', 'N', 0)")


def test_text_keeps_its_first_line_end(made: Rendered) -> None:
    """HTML drops one line end right after the tag (HTML standard, "in body" insertion mode)."""
    assert ">\n\nx</textarea>" in made("area('n', 'N', value)", value="\nx")


def test_a_choice_is_made(made: Rendered) -> None:
    options = tree(made("choice('n', 'N', [(1, 'One'), (2, 'Two')], '2')")).iter("option")

    assert [(o.get("value"), o.get("selected"), o.text) for o in options] == [
        ("1", None, "One"),
        ("2", "selected", "Two"),
    ]


def test_a_box_is_checked(made: Rendered) -> None:
    assert " checked" in made("check('n', 'N', checked=true)")
    assert " checked" not in made("check('n', 'N')")


@pytest.mark.parametrize(
    "call",
    [
        "field(bad, bad, bad, type=bad, hint=bad, error=bad, id=bad, title=bad)",
        "area(bad, bad, bad, hint=bad, error=bad, id=bad, title=bad)",
        "choice(bad, bad, [(bad, bad)], bad, hint=bad, error=bad, title=bad)",
        "check(bad, bad, value=bad, hint=bad, error=bad, title=bad)",
        "buttons(bad, bad, bad, title=bad)",
        "pager(bad, bad, bad, label=bad)",
        "nav_link(bad, bad)",
        "badge(bad, bad)",
        "message(bad, bad)",
        "empty(bad)",
        "progress(bad, 1, 2, id=bad)",
        "{% call table(bad, [bad], title=bad) %}{{ cell(bad, bad) }}{% endcall %}",
        "{% call row(title=bad) %}{% call cell(bad) %}{{ bad }}{% endcall %}{% endcall %}",
    ],
)
def test_whatever_is_given_is_text(made: Rendered, call: str) -> None:
    text = made(call, bad=MARKUP)
    assert "<script" not in text
    assert "<img" not in text


def test_buttons(made: Rendered) -> None:
    assert made("buttons('Save', name='do', value='save')").count("<button") == 1
    assert '<button name="do" value="save">Save</button>' in made(
        "buttons('Save', name='do', value='save')"
    )
    assert '<a class="button quiet" href="/x">Cancel</a>' in made("buttons('Save', '/x')")
    assert "<i>more</i>" in made("{% call buttons('Save') %}<i>more</i>{% endcall %}")


def test_a_pager_without_other_pages_is_nothing(made: Rendered) -> None:
    assert made("pager()") == ""
    assert made("pager(older=none)") == ""


def test_a_pager_names_its_pages(made: Rendered) -> None:
    links = tree(made("pager(newer='/n', older='/o', newest='/', label='Trades')"))

    assert links.get("aria-label") == "Trades"
    assert [(a.get("href"), a.get("rel"), a.text) for a in links] == [
        ("/", None, "Newest"),
        ("/n", "prev", "Newer"),
        ("/o", "next", "Older"),
    ]


def test_a_badge_has_its_words(made: Rendered) -> None:
    assert made("badge('up')") == '<span class="badge up">Up</span>'
    assert made("badge('lazy', 'Later')") == '<span class="badge lazy">Later</span>'


@pytest.mark.parametrize(("category", "role"), [("error", "alert"), ("success", "status")])
def test_an_error_interrupts_and_other_messages_wait(
    made: Rendered, category: str, role: str
) -> None:
    said = made("message('Text', category)", category=category)
    assert said == f'<p class="message {category}" role="{role}">Text</p>'


def test_a_link_may_say_itself_that_it_is_current(made: Rendered) -> None:
    assert made("nav_link('/x', 'X', current=true)") == '<a href="/x" aria-current="page">X</a>'
    assert made("nav_link('/', 'X', current=false)") == '<a href="/">X</a>'


def test_an_empty_state_may_offer_something(made: Rendered) -> None:
    assert "<a>Do</a>" in made("{% call empty('None yet.') %}<a>Do</a>{% endcall %}")


def test_progress_is_a_figure_as_well(made: Rendered) -> None:
    bar = made("progress('Import', 1200, 10000, id='p')")

    assert '<label for="p">Import</label>' in bar
    assert '<progress id="p" value="1200" max="10000">' in bar
    assert "1,200 of 10,000" in bar


def test_progress_of_unknown_length(made: Rendered) -> None:
    assert '<progress id="progress"></progress>' in made("progress('Import')")
    assert "1,200<" in made("progress('Import', 1200)")


@pytest.mark.parametrize(("more", "classes"), [("", "stacked"), (", dense=true", "stacked dense")])
def test_cards_of_a_table_may_be_dense(made: Rendered, more: str, classes: str) -> None:
    table = tree(made(f"{{% call table('Trades', ['Symbol']{more}) %}}{{% endcall %}}"))
    assert table.get("class") == classes


def test_a_table_stays_one_for_screen_readers(made: Rendered) -> None:
    table = tree(
        made(
            "{% call table('Trades', ['Symbol', 'Price'], numbers=['Price']) %}"
            "{% call row() %}{% call cell('Symbol') %}<b>A</b>{% endcall %}"
            "{{ cell('Price', 12, number=true) }}{% endcall %}{% endcall %}"
        )
    )

    assert table.findtext("caption") == "Trades"
    heads = table.findall("thead/tr/th")
    assert [(th.text, th.get("scope"), th.get("class")) for th in heads] == [
        ("Symbol", "col", None),
        ("Price", "col", "number"),
    ]
    cells = table.findall("tbody/tr/td")
    assert [(td.get("data-label"), "".join(td.itertext())) for td in cells] == [
        ("Symbol", "A"),
        ("Price", "12"),
    ]
    roles = {element.tag: element.get("role") for element in table.iter()}
    assert roles | {"caption": "", "b": "", "span": ""} == {
        "table": "table",
        "thead": "rowgroup",
        "tbody": "rowgroup",
        "tr": "row",
        "th": "columnheader",
        "td": "cell",
        "caption": "",
        "b": "",
        "span": "",
    }
