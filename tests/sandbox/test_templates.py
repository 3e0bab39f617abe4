import time

import pytest
from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError

from composer.methods import check
from composer.sandbox.meter import Limits
from composer.sandbox.templates import (
    Environment,
    GenerationTag,
    compile_template,
    parse_template,
    render_template,
)

HERE = Environment(StrictUndefined, GenerationTag)


def render(text, limits=None, **values):
    return render_template(compile_template(HERE, text), values, limits or Limits())


DOUBLED = (
    "{{% set ns = namespace(x = {}) %}}{{% for i in range(60) %}}"
    "{{% set ns.x = {} %}}{{% endfor %}}"
)
LARGE = [
    "{{ 'a' * 300000000 }}",
    "{{ 300000000 * 'a' }}",
    "{{ 'a' * 99 ~ 'b' * 900000000 }}",
    "{{ [1] * 10 ** 9 }}",
    "{{ ('a', 'b') * 1000000000 }}",
    "{{ 9 ** 9 ** 9 ** 9 ** 9 }}",
    "{{ 9 ** (9 ** 9) }}",
    DOUBLED.format("2", "ns.x * ns.x"),
    DOUBLED.format("'a'", "ns.x ~ ns.x"),
    DOUBLED.format("'a'", "ns.x + ns.x"),
    DOUBLED.format("[1]", "[ns.x, ns.x]") + "{{ ns.x }}",
    DOUBLED.format("[1]", "[ns.x, ns.x]") + "{{ ns.x == [ns.x] }}",
    "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
    "{% for a in range(9999) %}{% for b in range(9999) if false %}{% endfor %}{% endfor %}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% block a %}{{ self.a() }}{% endblock %}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '%*d' % (1000000000, 1) }}",
    "{{ ('%s' * 100) % (('a' * 1000000,) * 100) }}",
    "{{ '{:>1000000000}'.format(1) }}",
    "{{ '{:{}}'.format(1, 10 ** 9) }}",
    "{{ 'a'.ljust(10 ** 9) }}",
    "{{ 'a' | center(10 ** 9) }}",
    "{% filter center(10 ** 9) %}a{% endfilter %}",
    "{{ range(9999) | map('center', 100000) | list }}",
    "{{ ('a' * 10000).replace('a', 'b' * 100000) }}",
    "{{ ('a' * 10000) | replace('a', 'b' * 100000) }}",
    "{{ ('b' * 1000000).join('a' * 10000) }}",
    "{{ (['a'] * 1000) | join('b' * 1000000) }}",
    "{{ ('\t' * 100000).expandtabs(100000) }}",
    "{{ ('x\n' * 100000) | indent(99999) }}",
    "{{ ([[[[1]]]] * 10000) | tojson(indent = 100000) }}",
    "{{ ([['x' * 1000000] * 1000] * 1000) | string }}",
    "{{ (['a' * 10000000] * 1000000) | sort }}",
    "{{ ('a' * 9000000) in ['a' * 8999999 ~ 'b'] * 1000000 }}",
    "{{ 5 | round(-1000000000) }}",
    "{{ (5).to_bytes(10 ** 9, 'big') }}",
    "{{ ('<' * 1000000) | striptags }}",
    "{{ (['a'] * 1000) | sum(start = []) }}",
    "{{ [1] | slice(99999999) | list }}",
    "{% for i in range(50000) %}{% set x = ('a' * 10000000)[i:] %}{% endfor %}",
]


@pytest.mark.parametrize("text", ["{{ cycler() }}", "{{ 1 / 0 }}", "{{ [1, 'a'] | sort }}"])
def test_an_error_inside_a_template_is_one_of_the_template(text):
    with pytest.raises(TemplateError):
        render(text)


@pytest.mark.parametrize("text", LARGE)
def test_what_would_be_too_large_is_refused_before_it_is_made(text):
    before = time.thread_time()
    with pytest.raises(TemplateError):
        render(text)
    assert time.thread_time() - before < 4


@pytest.mark.parametrize("text", LARGE)
def test_nothing_is_worked_out_while_a_template_is_checked(text):
    before = time.thread_time()
    assert check(text) == []
    assert time.thread_time() - before < 0.5


@pytest.mark.parametrize(
    "text",
    [
        "{% autoescape 'a' * 10 ** 9 %}{% endautoescape %}",
        "{% include 'a' %}",
        "{{ " + "-" * 20_000 + "1 }}",
        "{% if 1 %}" * 150 + "{% endif %}" * 150,
        "".join(f"{{% for a{n} in query %}}" for n in range(25)) + "{% endfor %}" * 25,
        " " * 1_000_001,
    ],
)
def test_what_cannot_be_compiled_is_said_in_words(text):
    with pytest.raises(TemplateSyntaxError):
        compile_template(HERE, text)
    with pytest.raises(TemplateSyntaxError):
        parse_template(HERE, text)
    [(message, line)] = check(text)
    assert message.startswith(("a template ", "the brackets of the template "))
    assert line == 1


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{{ 'ab' * 3 ~ 1 }}", "ababab1"),
        ("{% for x in [3, 1] if x > 1 %}{{ loop.length }}{{ x }}{% else %}no{% endfor %}", "13"),
        ("{% for x in y | map('upper') %}{{ x }}{{ ',' if not loop.last }}{% endfor %}", "A,B"),
        ("{% macro f(x) %}<{{ x }}>{% endmacro %}{{ f('a') }}{{ f(x = 2) }}", "<a><2>"),
        (
            "{% macro f(l) %}{{ l.index }}{% endmacro %}{% for x in y %}{{ f(loop) }}{% endfor %}",
            "12",
        ),
        ("{{ 'abc'[1:] }}{{ y[::-1] | join('-') }}", "bcb-a"),
        ("{{ '%s is %05.1f' % ('x', 2) }} {{ '{0}{b:>3}'.format(1, b = 2) }}", "x is 002.0 1  2"),
        (
            "{{ y | join(', ') }} {{ ', '.join(y) }} {{ 'a' in y and 'c' not in y }}",
            "a, b a, b True",
        ),
        ("{{ {'k': y}.items() | list }} {{ d | dictsort }}", "[('k', ['a', 'b'])] [('k', 1)]"),
        ("{% generation %}{{ 'x' }}{% endgeneration %}", "x"),
        ("{% set x %}a{% endset %}{% filter upper %}{{ x }}{% endfilter %}", "A"),
        (
            "{{ y | tojson(indent = 1) }}{{ [1, 2] | sum }}{{ 2.346 | round(2) }}",
            '[\n "a",\n "b"\n]32.35',
        ),
        ("{% for x in y recursive %}{{ x }}{{ loop([]) }}{% endfor %}", "ab"),
        (
            "{{ 'x' is in 'xyz' }}{{ 1 < 2 < 3 }}{{ 2 ** 10 }}{{ 7 // 2 }}{{ 'a' + 'b' }}",
            "TrueTrue10243ab",
        ),
    ],
)
def test_a_common_template_is_filled_in_as_jinja_does(text, result):
    assert render(text, y=["a", "b"], d={"k": 1}) == result


def test_limits_are_what_they_are_set_to():
    turns = "{% for i in range(90) %}{% endfor %}"
    assert render(turns) == ""
    with pytest.raises(TemplateError, match="more than 50 steps"):
        render(turns, Limits(steps=50))
    with pytest.raises(TemplateError, match="more than 10 characters"):
        render("{{ x }}", Limits(characters=10), x="a" * 11)
    with pytest.raises(TemplateError, match=r"more than 0\.01 seconds"):
        render(turns.replace("90", "99999"), Limits(seconds=0.01))


def test_a_long_conversation_stays_within_the_limits():
    turns = [{"role": "user", "content": "word " * 1000}] * 400
    text = (
        "{% for m in messages %}{% set c = m.content | trim %}<{{ m['role'] }}>{{ c + '\n' }}"
        "{% if 'x' in c %}{{ c.split('x')[-1] }}{% endif %}{% endfor %}"
    )
    assert len(render(text, messages=turns)) == 400 * (len("<user>") + 5000)
