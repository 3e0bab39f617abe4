"""Content parts that are no text: from a row to a chat as they are, and refused by text models."""

import json
from typing import ClassVar

import pytest

import composer
from composer.backends import BACKENDS, Capability, Card, Remote
from composer.data import messages_of
from composer.evaluate.rows import row_of
from composer.run import Failure
from composer.run.queries import as_query
from composer.values import Client, Completion, Generated, Usage
from composer.values.bounds import PART_TOKENS, most_tokens
from composer.values.card import Price
from composer.values.media import chat_content

CAT = {"type": "image_url", "image_url": {"url": "https://example.org/cat.png", "detail": "low"}}
DOG = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 4000}}
SOUND = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
WHAT = {"type": "text", "text": "What is this?"}


def row(*parts, **more):
    return {"id": "7", "messages": [{"role": "user", "content": list(parts)}], **more}


CHATS = []


class Eyes(Remote):
    """A model behind a chat API: it notes the conversations that it is sent."""

    name: ClassVar[str] = "eyes"

    says: str = "a cat"
    price: Price = None

    @property
    def reads_media(self):
        return True

    def card(self):
        return Card(Capability.TEXT, "eyes", price=self.price)

    async def open(self, name):
        return EyesClient(self, name)


class EyesClient(Client):
    """It is sent what a chat API is sent."""

    def __init__(self, model, name):
        self.model, self.name = model, name

    async def generate(self, request, on_text=None):
        del on_text
        query = request.query
        CHATS.append([(who, chat_content(said, query.media)) for who, said in query.messages])
        done = Completion(self.model.says, usage={self.name: Usage.at(self.model.price, 1, 9, 2)})
        return Generated((done,) * len(request.seeds))


@pytest.fixture(autouse=True)
def _eyes(monkeypatch):
    monkeypatch.setitem(BACKENDS._all, "eyes", Eyes)
    CHATS.clear()


def answer(recipe, question, **ready):
    with composer.Recipe.load(recipe).ready(**ready) as ensemble:
        return ensemble(question)


V = "model V = eyes()\n"
LOCAL = 'use "zoo.ens" (general)\ndefault generate(max_tokens = 2)\n'


@pytest.mark.parametrize(
    "parts",
    [
        (WHAT, CAT),
        (CAT, WHAT, DOG),
        (CAT,),
        (SOUND, CAT, CAT, {"type": "text", "text": "\nBoth, line\nby line\n"}, SOUND),
        ({"type": "file", "file": {"file_id": "f1"}, "cache_control": {"type": "x"}}, WHAT),
    ],
)
def test_parts_reach_a_chat_as_they_are(parts):
    answer(V + "V", row(*parts))
    assert [[("user", list(parts))]] == CHATS


def test_parts_of_text_are_their_text():
    answer(V + "V", row(WHAT, {"type": "text", "text": "Say it."}))
    assert CHATS == [[("user", "What is this?\nSay it.")]]


def test_a_conversation_keeps_its_turns_and_a_query_may_be_parts():
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [WHAT, CAT]},
        {"role": "assistant", "content": "A cat."},
        {"role": "user", "content": [{"type": "text", "text": "And this?"}, DOG]},
    ]
    answer(V + "V", {"messages": turns})
    answer(V + "V", {"query": [WHAT, CAT]})
    assert CHATS[0] == [(each["role"], each["content"]) for each in turns]
    assert CHATS[1] == [("user", [WHAT, CAT])]


def test_a_prompt_takes_the_parts_where_it_writes_the_question():
    prompts = '[prompt("""Look: {{ query }} Well?""") -> V, prompt("""Guess.""") -> V] -> vote()'
    answer(V + prompts, row(WHAT, CAT))
    look, well = ({"type": "text", "text": each} for each in ("Look: What is this?", " Well?"))
    assert [("user", [look, CAT, well])] in CHATS
    assert [("user", "Guess.")] in CHATS
    upper = 'prompt("""{{ query | upper }}""") -> V'
    answer(V + upper, row(WHAT, CAT))
    assert CHATS[-1] == [("user", [{"type": "text", "text": "WHAT IS THIS?"}, CAT])]


def test_a_prompt_that_cuts_a_part_in_two_is_an_error():
    with pytest.raises(Failure, match="cut a content part") as caught:
        answer(V + 'prompt("""{{ query[:25] }}""") -> V', row(WHAT, CAT))
    assert caught.value.code == "E708"


@pytest.mark.parametrize(
    ("steps", "who"),
    [
        ("general", "general"),
        ("sample(general, 2) -> vote()", "general"),
        ("token_fuse(general, general)", "general"),
        ('V -> prompt("""{{ query }}: {{ answer }}?""") -> general', "general"),
        ("[V, V(top_k = 2)] -> rank(general, by = likely()) -> best()", "general"),
    ],
)
def test_a_model_on_this_machine_refuses_the_row_by_name(steps, who):
    with pytest.raises(Failure) as caught:
        answer(V + LOCAL + steps, row(WHAT, CAT))
    assert caught.value.code in ("E722", "E716")
    wanted = f"the row `7` has a part of type `image_url`, and `{who}` reads only text"
    assert wanted in caught.value.message


def test_a_text_model_may_go_on_from_answers_alone():
    steps = 'V -> prompt("""Say again: {{ answer }}""") -> general'
    assert answer(V + LOCAL + steps, row(WHAT, CAT)).answer
    result = answer(V + LOCAL + "general | V", row(WHAT, CAT))
    assert result.answer == "a cat"


def test_kept_answers_go_by_what_a_part_holds(tmp_path):
    path = tmp_path / "answers.sqlite"
    other = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "B" * 4000}}
    asked = [row(WHAT, DOG), row(WHAT, other), row(WHAT, dict(reversed(DOG.items())))]
    calls = [answer(V + "V", each, cache=path).members["V"].calls for each in asked]
    assert calls == [1, 1, 0]
    assert as_query(asked[0]).content == ""
    assert len({as_query(each | {"id": ""}).content for each in asked}) == 2


def test_a_trace_shows_an_address_or_a_size_and_a_digest():
    result = answer(V + "V", row(WHAT, CAT, DOG))
    ((prompt,),) = [call.prompt for event in result.trace.events for call in event.asked]
    first, cat, dog = prompt[1].split("\n")
    assert (first, cat) == ("What is this?", "[image_url https://example.org/cat.png]")
    assert result.query == prompt[1]
    assert dog.startswith(f"[image_url of {len(json.dumps(DOG)):,} bytes, sha256 ")
    assert "AAAA" not in json.dumps(result.trace.as_dict())


def test_a_budget_has_room_for_every_part():
    query = as_query(row(WHAT, CAT, CAT, SOUND))
    plain = as_query({"messages": messages_as_rows(query)})
    assert most_tokens(query) == most_tokens(plain) + 3 * PART_TOKENS + len(json.dumps(SOUND))
    priced = "model V = eyes(price = [1, 0])\nV(max_tokens = 1)"
    worst = most_tokens(query) / 1e6
    assert answer(priced, row(WHAT, CAT, CAT, SOUND), budget=worst).answer == "a cat"
    with pytest.raises(Failure, match="too small"):
        answer(priced, row(WHAT, CAT, CAT, SOUND), budget=worst * 0.999)


def messages_as_rows(query):
    return [{"role": role, "content": said} for role, said in query.messages]


def test_rows_of_an_evaluation_keep_their_parts():
    for given in (row(WHAT, CAT, reference="cat"), {"query": [WHAT, CAT], "reference": "cat"}):
        query = row_of(given, 1).question()
        assert chat_content(query.text, query.media) == [WHAT, CAT]
    shown = row_of(row(WHAT, CAT), 1).shown_query
    assert shown == "What is this?\n[image_url https://example.org/cat.png]"


@pytest.mark.parametrize(
    "content", [[{"type": "image_url"}], [{"image_url": "x"}], [WHAT, {}], ["x"]]
)
def test_what_is_no_part_is_refused(content):
    with pytest.raises(composer.run.Failure, match="message 1 has no `content`"):
        as_query({"messages": [{"role": "user", "content": content}]})


def test_text_that_looks_like_a_mark_stays_text():
    marked = dict(messages_of(row(CAT)))["user"]
    answer(V + "V", marked)
    answer(V + "V", row(WHAT, DOG, {"type": "text", "text": marked[:4] + "\ufffc"}))
    assert CHATS[0] == [("user", marked)]
    assert CHATS[1][0][1][1] == DOG
