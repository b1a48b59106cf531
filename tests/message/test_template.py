"""The template language: the contract's vectors, its refusals, and laws for any input."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merpati.message.errors import MessageError, TemplateRenderError, TemplateSyntaxError
from merpati.message.template import Place, compile_template, literal_template
from merpati.message.template.compiler import MAX_BLOCKS
from merpati.message.template.expression import MAX_NESTING

DATA: dict[str, Any] = {
    "n": "Sari",
    "z": None,
    "h": "<i>&</i>",
    "q": "a b/c",
    "k": ["x", "y"],
    "e": [],
    "o": {"city": "Depok"},
    "p": "city",
    "num": 5.00,
    "rows": [{"id": 1, "sub": [{"v": "p"}, {"v": "q"}]}, {"id": 2}],
    "yes": True,
    "ten": "10",
    "nothing": {},
    "loop_vars": {"x": "own"},
}


def render(source: str, place: Place = Place.TEXT, data: dict[str, Any] | None = None) -> str:
    scope = dict(DATA if data is None else data)
    return compile_template(source, place, place.value).render(scope)


@pytest.mark.parametrize(
    ("place", "source", "result"),
    [
        (Place.TEXT, "{{n}} {{ n }} {{  n}}", "Sari Sari Sari"),
        (Place.TEXT, "[{{z}}][{{nope}}][{{o.nope.deep}}]", "[][][]"),
        (Place.TEXT, "{{z or 'Kak'}} {{n or \"x\"}}", "Kak Sari"),
        (
            Place.TEXT,
            "{{o.city}} {{o['city']}} {{o[p]}} {{k[1]}} {{rows[2].id}}",
            "Depok Depok Depok x 2",
        ),
        (Place.HTML, "{{h}} {{{h}}}", "&lt;i&gt;&amp;&lt;&#x2F;i&gt; <i>&</i>"),
        (Place.TEXT, "{{h}}", "<i>&</i>"),
        (
            Place.HTML,
            '<a href="https://d.example/?q={{q}}">',
            '<a href="https://d.example/?q=a%20b%2Fc">',
        ),
        (
            Place.HTML,
            '<a href="https://d.example/{{{q}}}">',
            '<a href="https://d.example/a b/c">',
        ),
        (Place.TEXT, "{{num}} {{num - 2}} {{#k}} {{num * 2 + 1}}", "5 3 2 11"),
        (Place.TEXT, '{{if num > 3 and n == "Sari"}}A{{elseif z}}B{{else}}C{{end}}', "A"),
        (Place.TEXT, "{{if not z then}}no{{end}}", "no"),
        (Place.TEXT, "{{if 0}}t{{else}}f{{end}}", "t"),
        (Place.TEXT, "{{each k}}{{loop_index}}={{loop_var}};{{end}}", "1=x;2=y;"),
        (Place.TEXT, "{{each e}}x{{end}}{{each z}}y{{end}}", ""),
        (
            Place.TEXT,
            "{{each rows}}{{loop_vars.rows.id}}:"
            "{{each loop_vars.rows.sub}}{{loop_vars.sub.v}}{{end}};{{end}}",
            "1:pq;2:;",
        ),
        (Place.TEXT, "{{if empty(e)}}none{{end}}", "none"),
        (Place.TEXT, "{{opening_double_curly()}}n{{closing_double_curly()}}", "{{n}}"),
        (Place.TEXT, "a\n{{if n}}\nb\n{{end}}\nc", "a\nb\nc"),
        (Place.TEXT, "{{if n}}\nb\n{{end}}, c", "b, c"),
        (Place.TEXT, "{{each k}}\n- {{loop_var}}\n{{end}}", "- x\n- y"),
        (Place.TEXT, "a {{if n}}b{{end}} c", "a b c"),
    ],
)
def test_contract_vector(place: Place, source: str, result: str) -> None:
    """The test vectors of the API contract, section 6.7."""
    assert render(source, place) == result


def test_contract_vector_of_an_unclosed_statement() -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        render("{{if n}}open")
    assert (caught.value.part, caught.value.line) == ("text", 1)


@pytest.mark.parametrize(
    ("source", "result"),
    [
        pytest.param("{{1 + 2 * 3}} {{(1 + 2) * 3}}", "7 9", id="product binds stronger"),
        pytest.param("{{7 - 2 - 1}} {{8 / 2 / 2}}", "4 2", id="from left to right"),
        pytest.param("{{0.1 + 0.2}} {{1 / 3}}", "0.3 0.33333333333333", id="as Lua prints"),
        pytest.param("{{ten + 1}} {{'2' * ten}}", "11 20", id="numeric strings"),
        pytest.param("{{-num}} {{- -num}} {{3 - -2}}", "-5 5 5", id="minus"),
        pytest.param("{{not z == true}}", "true", id="not binds stronger than =="),
        pytest.param("{{z or false}} {{false and n}} {{n and 1}}", "false false 1", id="operands"),
        pytest.param("{{z or n and 'b'}}", "b", id="and binds stronger than or"),
        pytest.param("{{false or '' or 'x'}}", "", id="empty text is true"),
        pytest.param("{{1 == '1'}} {{1 == 1.0}} {{yes == 1}}", "false true false", id="equality"),
        pytest.param("{{'a' < 'b'}} {{ten > 9}} {{2 <= 2}} {{3 >= 4}}", "true true true false"),
        pytest.param("{{1 != 2}} {{nil == z}}", "true true", id="nil"),
        pytest.param("{{k[0]}}[{{k[3]}}][{{k['1']}}][{{n.x}}][{{k[1.5]}}]", "[][][][]"),
        pytest.param("{{rows[#rows].id}} {{k[1 + 1]}} {{k[loop]}}", "2 y ", id="computed index"),
        pytest.param("{{k[1 - 1]}}[{{k[true]}}][{{k[p]}}]", "[][]", id="no such item"),
        pytest.param("{{not #k}} {{not -num}}", "false false", id="signs from inside out"),
        pytest.param("{{" + "+".join(["(1)"] * 40) + "}}", "40", id="many parentheses"),
        pytest.param("{{each nothing}}x{{end}}", "", id="an empty object has no items"),
        pytest.param("{{each k}}{{loop_vars.x}}{{end}}{{loop_vars.x}}", "own", id="own loop_vars"),
        pytest.param("{{#nope}} {{#n}}", "0 4", id="length"),
        pytest.param("{{empty(nope)}} {{empty(k)}} {{empty('')}}", "true false true", id="empty"),
        pytest.param("{{yes}} {{k}} {{o}}", 'true ["x","y"] {"city":"Depok"}', id="JSON"),
        pytest.param("{{'}}'}}{{'it\\'s'}}{{\"{{\"}}", "}}it's{{", id="quoted braces"),
        pytest.param("{{{n}}}}{{n}}}", "Sari}Sari}", id="braces after"),
        pytest.param("@media x{a{b:c}} {n}", "@media x{a{b:c}} {n}", id="CSS"),
        pytest.param("{{if(n)}}y{{end}}", "y", id="if without a blank"),
        pytest.param("{{ending}}{{iffy}}{{eachone}}", "", id="names that begin like statements"),
        pytest.param("{{each nope}}x{{end}}{{each {{", None, id="unclosed tag"),
        pytest.param("{{each rows[1].sub}}{{loop_vars.sub.v}}{{end}}", "pq", id="last segment"),
        pytest.param(
            "{{each k}}{{each e}}{{end}}{{loop_var}}{{loop_index}}{{end}}[{{loop_var}}]",
            "x1y2[]",
            id="loop variables are restored",
        ),
        pytest.param("{{  opening_triple_curly() }}{{closing_single_curly()}}", "{{{}", id="curly"),
    ],
)
def test_expression(source: str, result: str | None) -> None:
    if result is None:
        with pytest.raises(TemplateSyntaxError):
            render(source)
    else:
        assert render(source) == result


@pytest.mark.parametrize(
    ("source", "result"),
    [
        pytest.param("a\n  {{if n}}  \n b\n{{end}}\t\nc", "a\n b\nc", id="blanks on both sides"),
        pytest.param("  {{if n}}\nb{{end}}", "b", id="blanks at the start of the part"),
        pytest.param("\n{{if n}}b{{end}}", "b", id="the newline before it goes"),
        pytest.param("{{if z}}x{{end}}\nc", "c", id="one newline from the start"),
        pytest.param("{{if z}}x{{end}}\n\nc", "\nc", id="only one"),
        pytest.param("x{{if n}}b{{end}} \t", "xb", id="blanks at the end of the part"),
        pytest.param("x{{if n}} \nb{{end}}", "x\nb", id="blanks after, in the middle"),
        pytest.param("a\n{{if n}}{{if n}}b{{end}}{{end}} d", "ab d", id="two in one line"),
        pytest.param("a\n{{n}}\nb", "a\nSari\nb", id="a field changes nothing"),
        pytest.param("a\r\n{{if n}}\r\nb\r\n{{end}}\r\nc", "a\r\nb\r\nc", id="CRLF"),
        pytest.param("a {{if n}}  {{end}} c", "a    c", id="blanks between statements stay"),
    ],
)
def test_white_space_around_statements(source: str, result: str) -> None:
    assert render(source) == result


@pytest.mark.parametrize(
    ("place", "source", "result"),
    [
        (Place.TEXT, "http://x/{{q}} {{q}}", "http://x/a%20b%2Fc a b/c"),
        (Place.TEXT, "https://x/{{n}}/{{q}}?{{if n}}a={{q}}{{end}}", None),
        (Place.HTML, "<p>https://x/</p>{{q}}", "<p>https://x/</p>a b&#x2F;c"),
        (Place.HTML, "<a href='HTTPS://x/{{q}}'>{{q}}", "<a href='HTTPS://x/a%20b%2Fc'>a b&#x2F;c"),
        (Place.HTML, '<a href="{{q}}/https">', '<a href="a b&#x2F;c/https">'),
        (Place.HEADER, "<https://x/{{q}}> {{h}}", "<https://x/a b/c> <i>&</i>"),
    ],
)
def test_escaping_by_place(place: Place, source: str, result: str | None) -> None:
    expected = "https://x/Sari/a%20b%2Fc?a=a%20b%2Fc" if result is None else result
    assert render(source, place) == expected


@pytest.mark.parametrize(
    ("source", "line", "description"),
    [
        ("a\n\n{{ n", 3, "no closing"),
        ("{{ n)}}", 1, r"near '\)'"),
        ("{{}}", 1, "missing"),
        ("\n{{ a ? b }}", 2, r"near '\? b'"),
        ("{{ 1 + }}", 1, "ends too early"),
        ("{{ a.1 }}", 1, "near"),
        ("{{ (a }}", 1, "ends too early"),
        ("{{ and }}", 1, "near 'and'"),
        ("{{ foo(1) }}", 1, "unknown macro 'foo'"),
        ("{{ render_snippet('a') }}", 1, "not supported yet"),
        ("{{ render_dynamic_content(dynamic_html.c) }}", 1, "not supported yet"),
        ("{{ end }}", 1, "end without"),
        ("{{ else }}", 1, "else without if"),
        ("{{each k}}\n{{else}}{{end}}", 2, "else without if"),
        ("{{if n}}{{else}}{{elseif n}}{{end}}", 1, "elseif without if"),
        ("{{if}}{{end}}", 1, "missing"),
        ("{{if n}}\n{{if n}}\n{{end}}", 1, "without end"),
        ("{{if n}}x{{end if}}", 1, "near 'if'"),
        ("{{ don't }}", 1, "near"),
        ("{{ " + "9" * 400 + " }}", 1, "too large"),
        ("{{ " + "(" * (MAX_NESTING + 1) + "n" + ")" * (MAX_NESTING + 1) + " }}", 1, "nested"),
        ("{{ " + "k[" * 100_000 + " }}", 1, "nested"),
        ("{{if n}}" * (MAX_BLOCKS + 1), 1, "nested"),
    ],
)
def test_syntax_error_names_line_and_reason(source: str, line: int, description: str) -> None:
    with pytest.raises(TemplateSyntaxError, match=description) as caught:
        compile_template(source, Place.TEXT, "html")
    assert (caught.value.part, caught.value.line) == ("html", line)
    assert str(caught.value).startswith(f"Error while compiling part html: line {line}: ")


@pytest.mark.parametrize(
    ("source", "line", "description"),
    [
        ("a\n{{ n + 1 }}", 2, "calculate with a text"),
        ("{{ z + 1 }}", 1, "calculate with a missing value"),
        ("{{ n > 1 }}", 1, "compare"),
        ("{{ num / 0 }}", 1, "division by zero"),
        ("{{ #o }}", 1, "length of an object"),
        ("{{if n}}\n{{ n * 2 }}{{end}}", 2, "calculate"),
        ("\n{{each num}}{{end}}", 2, "each needs an array, not a number"),
        ("{{each o}}{{end}}", 1, "each needs an array, not an object"),
        ("{{if n < 1}}{{end}}", 1, "compare"),
    ],
)
def test_render_error_names_line_and_reason(source: str, line: int, description: str) -> None:
    with pytest.raises(TemplateRenderError, match=description) as caught:
        render(source)
    assert (caught.value.part, caught.value.line) == ("text", line)
    assert "Sari" not in str(caught.value)


def test_names_are_those_the_template_reads() -> None:
    source = "{{a.b}}{{c or d[e]}}{{if f}}{{end}}{{each g.h}}{{loop_var}}{{end}}{{empty(i)}}{{'x'}}"
    names = compile_template(source, Place.TEXT, "text").names
    assert names == {"a", "c", "d", "e", "f", "g", "loop_var", "i"}


def test_long_chains_and_deep_nesting_need_no_stack() -> None:
    chain = "{{ " + " or ".join(["z"] * 20_000) + " or 'x' }}"
    assert render(chain) == "x"
    assert render("{{ " + "+".join(["1"] * 20_000) + " }}") == "20000"
    assert render("{{ " + "not " * 20_000 + "n }}") == "true"
    assert render("{{ o" + ".a" * 20_000 + " }}") == ""
    deep = "{{if n}}" * MAX_BLOCKS + "x" + "{{end}}" * MAX_BLOCKS
    assert render(deep) == "x"
    inside = "(" * MAX_NESTING + "n" + ")" * MAX_NESTING
    assert render("{{each k}}" * MAX_BLOCKS + "{{end}}" * MAX_BLOCKS, data={"k": [1]}) == ""
    assert render("{{ " + inside + " }}") == "Sari"


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("{{each a}}{{each a}}{{each a}}x{{end}}{{end}}{{end}}", id="rounds"),
        pytest.param("{{each a}}{{each a}}{{a}}{{end}}{{end}}", id="values"),
        pytest.param("{{a}}" * 10_000, id="fields"),
        pytest.param("{{if a}}" + "{{a}}" * 10_000 + "{{end}}", id="fields in a block"),
        pytest.param(
            "{{each a}}{{each a}}{{if " + "a and " * 5_000 + "nope}}{{end}}{{end}}{{end}}",
            id="conditions that write nothing",
        ),
    ],
)
def test_work_of_a_template_is_bounded(source: str) -> None:
    started = time.monotonic()
    with pytest.raises(TemplateRenderError, match="too large"):
        render(source, data={"a": list(range(10_000))})
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    "unit",
    ["{{ n }}", "{{ ' ", " {{if n}} {{end}}\n", "http://", "}}", "{{ n or 'x' }}", "{", "{{n+1-"],
)
def test_compiling_takes_linear_time(unit: str) -> None:
    started = time.monotonic()
    source = unit * (400_000 // len(unit))
    with contextlib.suppress(TemplateSyntaxError):
        compile_template(source, Place.HTML, "html")
    assert time.monotonic() - started < 20  # quadratic would take minutes


WORDS = "{{ }} {{{ }}} if each else elseif end then n z k rows o . [ ] ( ) ' \" + - * / # == < or"
MORE_WORDS = "and not 1 2.5 loop_var empty http:// \n \r\n text € \\ , !"
SOURCES = st.text() | st.lists(
    st.sampled_from(f"{WORDS} {MORE_WORDS}".split(" ")) | st.text(max_size=5), max_size=30
).map(" ".join)


@given(SOURCES, st.sampled_from(Place))
def test_any_template_renders_or_raises_a_typed_error(source: str, place: Place) -> None:
    with contextlib.suppress(MessageError):
        assert isinstance(compile_template(source, place, "html").render(dict(DATA)), str)


@given(st.text().filter(lambda source: "{{" not in source), st.sampled_from(Place))
def test_text_without_braces_is_itself(source: str, place: Place) -> None:
    assert render(source, place) == source


@given(st.text())
def test_literal_template_is_itself(source: str) -> None:
    assert literal_template(source, "text").render({}) == source


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)


@given(JSON, st.sampled_from(["{{v}}", "{{v + 1}}", "{{#v}}", "{{each v}}{{loop_var}}{{end}}"]))
def test_any_data_renders_or_raises_a_typed_error(value: Any, source: str) -> None:
    with contextlib.suppress(TemplateRenderError):
        assert isinstance(render(source, Place.HTML, {"v": value}), str)


@given(st.text())
def test_escaped_html_holds_no_markup(value: str) -> None:
    rendered = render("{{v}}", Place.HTML, {"v": value})
    assert not set("<>\"'/") & set(rendered)
