import pytest

from composer.diagnostics import Source
from composer.syntax import (
    Answer,
    Def,
    Default,
    Example,
    Let,
    Model,
    Param,
    Use,
    parse,
    unparse,
)


def one(text):
    (statement,) = parse(Source("r.ens", text)).statements
    return statement


def texts(items):
    return [unparse(item) for item in items]


def test_use_takes_names_out_of_a_file():
    statement = one('use "models.ens" (A, B as Q,)')
    assert isinstance(statement, Use)
    assert statement.file == "models.ens"
    assert [(name, alias) for name, alias, _ in statement.names] == [("A", None), ("B", "Q")]
    assert statement.names[1].place.text == "B as Q"
    assert statement.alias is None


def test_use_takes_a_whole_file_under_a_name():
    statement = one('use "moa.ens" as moa')
    assert (statement.file, statement.names, statement.alias) == ("moa.ens", (), "moa")
    assert statement.file_place.text == '"moa.ens"'


def test_as_is_a_name_like_any_other_elsewhere():
    assert one("let as = f(as = as)").name == "as"


def test_a_model_is_a_name_and_a_call():
    statement = one('model A = hf("org/name", dtype = bf16)')
    assert isinstance(statement, Model)
    assert statement.name == "A"
    assert statement.name_place.text == "A"
    assert statement.value.function == "hf"
    assert texts(statement.value.arguments) == ['"org/name"', "dtype = bf16"]


@pytest.mark.parametrize("type_", ["int", "float", "bool", "str", "path", "model"])
def test_a_param_has_a_type(type_):
    statement = one(f"param x: {type_}")
    assert isinstance(statement, Param)
    assert (statement.type.name, statement.type.item, statement.value) == (type_, None, None)


def test_a_param_can_hold_a_list():
    statement = one("param x: list[list[model]] = [[A]]")
    assert statement.type.name == "list"
    assert statement.type.item.item.name == "model"
    assert unparse(statement.value) == "[[A]]"


def test_let_gives_an_expression_a_name():
    statement = one("let x = A -> B")
    assert isinstance(statement, Let)
    assert (statement.name, unparse(statement.value)) == ("x", "A -> B")


def test_def_has_parameters_and_defaults():
    statement = one("def layer(members, n = -3,) = prompt(aggregate) -> members")
    assert isinstance(statement, Def)
    first, second = statement.parameters
    assert (first.name, first.default) == ("members", None)
    assert (second.name, unparse(second.default)) == ("n", "-3")
    assert unparse(statement.value) == "prompt(aggregate) -> members"


def test_def_can_have_no_parameters():
    assert one("def f() = A").parameters == ()


def test_default_is_a_call():
    statement = one("default generate(temperature = 0, max_tokens = 512)")
    assert isinstance(statement, Default)
    assert statement.value.function == "generate"


def test_example_is_a_text_of_either_kind():
    assert one('example "What is \\"x\\"?"').text == 'What is "x"?'
    statement = one('example """\n  one\n    two\n  """')
    assert isinstance(statement, Example)
    assert statement.text == "one\n  two\n"


def test_a_bare_expression_is_the_answer():
    file = parse(Source("r.ens", "let x = A\nx -> B\n"))
    assert isinstance(file.statements[1], Answer)
    assert file.answer is file.statements[1]


def test_a_file_without_an_answer_says_so():
    assert parse(Source("r.ens", "let x = A\n")).answer is None


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment", "  \t\n  # one\n\n# two"])
def test_an_empty_file_has_no_statements(text):
    assert parse(Source("r.ens", text)).statements == ()


def test_comments_are_kept_with_their_places():
    file = parse(Source("r.ens", "# top\nlet x = f( # inside\n  A)\n# end"))
    assert [(text, place.line, place.column) for place, text in file.comments] == [
        ("# top", 1, 1),
        ("# inside", 2, 12),
        ("# end", 4, 1),
    ]


def test_a_hash_inside_a_text_is_no_comment():
    assert parse(Source("r.ens", 'f("# a", """# b""")')).comments == ()


def test_a_statement_covers_its_text():
    text = 'let x = (A -> B)\nuse "a" (B)\ndefault f(x)\nparam y: list[int]\n( A )'
    file = parse(Source("r.ens", text))
    assert [statement.place.text for statement in file.statements] == text.split("\n")


def test_equality_ignores_places():
    assert one("let x = f( A,B )") == one("let x =\n  f(A, B)")
    assert one('use "a" (A, B)') == one('use "a" ( A,B )')
