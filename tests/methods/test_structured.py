"""Values of JSON, blocks of code and lists are read, or nothing is."""

import time

import pytest
from pydantic import ValidationError

from composer.methods.readers.lists import Items, items_of
from composer.methods.readers.structured import Code, JsonField

BLOCKS = "Text\n```python\nx=1\n```\nand\n```js\ny\n```\n~~~\nplain\n~~~"


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ('so {"a": 1}', "", '{"a": 1}'),
        ('I cite [1]. {"draft": 0} and {"a": "x } y"}', "a", "x } y"),
        ('{"b": {"a": 1}}', "a", None),
        ('Here:\n```json\n{"a": " b "}\n```', "a", "b"),
        ('{"a": {"b": [{"c": 2.50}]}}', "a.b[0].c", "2.5"),
        ('{"a": [true, false]}', "a.0", "true"),
        ("[1, 2]", "[-1]", "2"),
        ('{"a": {"z": 1, "b": 2}}', "a", '{"b": 2, "z": 1}'),
        ('{"a": null}', "a", None),
        ('{"a": 1}', "b", None),
        ('{"a": [1]}', "a[1]", None),
        ("no JSON", "a", None),
    ],
)
def test_a_field_of_json(text, path, value):
    assert JsonField(path=path).read(text) == value


def test_json_that_does_not_follow_the_schema_abstains(tmp_path):
    schema = tmp_path / "answer.schema.json"
    schema.write_text('{"type": "object", "properties": {"a": {"type": "integer"}}}')
    reader = JsonField(path="a", file=str(schema))
    assert reader.read('{"a": 1}') == "1"
    assert reader.read('{"a": "one"}') is None


def test_a_path_that_cannot_be_read_is_refused():
    with pytest.raises(ValidationError, match="write fields and places"):
        JsonField(path="a[x]")


@pytest.mark.parametrize(
    ("reader", "code"),
    [
        (Code(), "plain"),
        (Code(which=0), "x=1"),
        (Code(language="py"), "x=1"),
        (Code(language="JavaScript"), "y"),
        (Code(language="sql"), None),
        (Code(which=5), None),
    ],
)
def test_a_block_of_code(reader, code):
    assert reader.read(BLOCKS) == code


def test_a_block_that_is_never_closed_abstains():
    assert Code().read("```python\nx=1") is None


def test_blocks_without_a_mark_are_of_any_language():
    assert Code(language="python").read("```\nx\n```") == "x"


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ('["a", "b"]', ["a", "b"]),
        ('{"diagnoses": ["Flu", "Cold"]}', ["Flu", "Cold"]),
        ('[{"b": "caf\u00e9", "a": 1}]', ['{"a": 1, "b": "caf\u00e9"}']),
        ("1. Flu\n2. Cold\n   - runny nose\n3) **Covid**: fever", ["Flu", "Cold", "Covid"]),
        ("Here they are:\n* a\n* b\nHope it helps", ["a", "b"]),
        ("Flu, cold, and covid", ["Flu", "cold", "covid"]),
        ("These are: flu; cold, mild; flu", ["flu", "cold, mild"]),
        ("Flu\nCold", ["Flu", "Cold"]),
        ("none", []),
        ("Well, I think that this is really quite a long sentence without a list.", None),
        ("", None),
    ],
)
def test_the_items_of_a_list(text, items):
    assert items_of(text) == items


def test_items_are_read_as_json():
    assert Items().read("red and blue") == '["red", "blue"]'


@pytest.mark.parametrize("piece", ["```x\n", "```\n", "- a\n", "{"])
def test_a_long_text_is_read_at_once(piece):
    text = piece * 20_001
    before = time.thread_time()
    Code().read(text), Items().read(text)
    assert time.thread_time() - before < 3
