"""Answers that must follow a JSON Schema: who is told so, what is refused, and what is checked."""

import json
from typing import ClassVar

import pytest

import composer
from composer.backends import BACKENDS, Capability, Card, Remote
from composer.diagnostics import Mistakes
from composer.run import Failure
from composer.values import AnswerSchema, Client, Completion, Generated, Usage

SCHEMA = {
    "title": "Final answer!",
    "type": "object",
    "properties": {"total": {"type": "number"}},
    "required": ["total"],
}
FORMATS = []
"""The `response_format` of each request that a client was given."""


class Shaped(Remote):
    """A model behind a server that holds answers to a schema, or does not."""

    name: ClassVar[str] = "shaped"
    honours: ClassVar[frozenset[str]] = frozenset({"schema"})

    says: str
    finish: str = "stop"

    def card(self):
        return Card(Capability.TEXT, "shaped", price=(1.0, 1.0))

    async def open(self, name):
        return ShapedClient(self, name)


class ShapedClient(Client):
    """It notes what it is told."""

    def __init__(self, model, name):
        self.model, self.name = model, name

    async def generate(self, request, on_text=None):
        del on_text
        schema = request.sampling.schema
        FORMATS.append(schema and schema.response_format)
        usage = {self.name: Usage.at((1.0, 1.0), 1, 3, 5)}
        done = Completion(self.model.says, usage=usage, finish=self.model.finish)
        return Generated((done,) * len(request.seeds))


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Read a recipe that lies beside `answer.json`; `load.schema` writes another schema there."""
    monkeypatch.setitem(BACKENDS._all, "shaped", Shaped)
    FORMATS.clear()
    (tmp_path / "answer.json").write_text(json.dumps(SCHEMA))

    def read(text, **how):
        path = tmp_path / "recipe.ens"
        path.write_text(text + "\n")
        return composer.Recipe.load(path, root=tmp_path, **how)

    return read


GOOD = """model A = shaped(says = '{"total": 4}')\n""".replace("'", '"""')
ASK = 'A(schema = "answer.json")'


def answer(recipe, **ready):
    with recipe.ready(**ready) as ensemble:
        return ensemble("2 + 2?")


@pytest.mark.parametrize(
    "steps",
    [
        ASK,
        'default generate(schema = "answer.json")\nA',
        'sample(A, 2, schema = "answer.json") -> vote()',
    ],
)
def test_a_server_is_told_the_schema(load, steps):
    assert json.loads(answer(load(GOOD + steps)).answer) == {"total": 4}
    told = {"name": "Final_answer_", "schema": SCHEMA, "strict": True}
    assert FORMATS
    assert all(each == {"type": "json_schema", "json_schema": told} for each in FORMATS)


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        ("four", "it is not JSON"),
        ('{"total": NaN}', "it is not JSON: `NaN` is no JSON"),
        ('{"total": "4"}', "$.total: '4' is not of type 'number'"),
        ("{}", "'total' is a required property"),
    ],
)
def test_an_answer_that_does_not_follow_it_failed(load, says, reason):
    model = f'model A = shaped(says = """{says}""")\n'
    with pytest.raises(Failure) as caught:
        answer(load(model + ASK))
    assert caught.value.code == "E720"
    assert reason in caught.value.message
    assert caught.value.result.members["A"].completion_tokens == 5
    result = answer(load(f'{model}model B = fake("four")\n{ASK} | B'))
    assert result.answer == "four"


def test_one_that_is_cut_off_says_what_to_do(load):
    with pytest.raises(Failure, match="raise `max_tokens`"):
        answer(load('model A = shaped(says = """{""", finish = length)\n' + ASK))


def test_a_kept_answer_is_kept_for_its_schema(load, tmp_path):
    path = tmp_path / "answers.sqlite"
    answers = [answer(load(GOOD + each), cache=path) for each in ("A", ASK, ASK)]
    assert [each.members["A"].calls for each in answers] == [1, 1, 0]
    (tmp_path / "answer.json").write_text(json.dumps({**SCHEMA, "minProperties": 1}))
    assert answer(load(GOOD + ASK), cache=path).members["A"].calls == 1


def test_a_lock_and_a_fingerprint_go_by_what_the_schema_says(load, tmp_path):
    recipe = load(GOOD + ASK)
    recipe.lock()
    (tmp_path / "other.json").write_text(json.dumps(SCHEMA))
    other = load(GOOD + 'A(schema = "other.json")')
    assert other.fingerprint == recipe.fingerprint
    (tmp_path / "answer.json").write_text("{}")
    changed = load(GOOD + ASK)
    assert changed.fingerprint != recipe.fingerprint
    with pytest.raises(Mistakes, match=r"`answer\.json` has changed"):
        changed.ready()


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (
            'use "zoo.ens" (maths)\nmaths(schema = "answer.json")',
            "E407",
            "`maths` does not support",
        ),
        ('model B = fake("x")\nsample(B, 2, schema = "answer.json") -> vote()', "E407", "`B` does"),
        (GOOD + 'A(schema = "none.json")', "E501", "none.json"),
        (GOOD + 'A(schema = "recipe.ens")', "E402", "is no JSON Schema"),
        (GOOD + 'A(schema = "wrong.json")', "E402", "is no JSON Schema: 'nothing' is not valid"),
        (GOOD + "A(schema = 3)", "E401", "expected a text"),
    ],
)
def test_what_cannot_be_is_refused_when_a_recipe_is_read(load, tmp_path, text, code, words):
    (tmp_path / "wrong.json").write_text('{"type": "nothing"}')
    with pytest.raises(Mistakes) as caught:
        load(text)
    (mistake,) = caught.value.diagnostics
    assert (mistake.code, words in mistake.message) == (code, True), mistake.message


def test_a_query_may_bring_a_schema_of_its_own(load):
    other = {"type": "object", "properties": {"sum": {"type": "number"}}, "required": ["sum"]}
    options = composer.AnswerOptions(schema=AnswerSchema(json.dumps(other)))
    with load(GOOD + 'A(schema = "answer.json")').ready() as ensemble:
        with pytest.raises(Failure, match="E720"):
            ensemble("Sum?", options=options)
        assert FORMATS[0]["json_schema"]["schema"] == other
        for bad in ("{", '{"type": 3}'):
            with pytest.raises(Failure, match="this is no JSON Schema"):
                ensemble.demand_options(composer.AnswerOptions(schema=AnswerSchema(bad)))
        assert str(ensemble("Sum?")) == '{"total": 4}'
