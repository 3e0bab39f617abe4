"""Answers of a real server, as the `openai` client reads them: equal to those of the ensemble."""

import pytest

QUESTION = "What is 3 + 4?"
ASKED = [{"role": "user", "content": QUESTION}]


def test_a_chat_is_answered_as_the_ensemble_answers(client, models):
    result = models.get("fuse").ensemble(QUESTION)
    reply = client.chat.completions.create(model="fuse", messages=ASKED, seed=7)
    (choice,) = reply.choices
    assert (choice.message.role, choice.message.content) == ("assistant", result.text.text)
    assert choice.finish_reason == "stop"
    assert reply.ensemble["seed"] == 7
    assert reply.ensemble["members"].keys() == {"A", "B"}


def test_usage_adds_up_what_each_member_took(client):
    reply = client.chat.completions.create(model="fuse", messages=ASKED)
    members = reply.ensemble["members"].values()
    assert reply.usage.prompt_tokens == sum(each["prompt_tokens"] for each in members) > 0
    assert reply.usage.completion_tokens == sum(each["completion_tokens"] for each in members)


def test_content_may_be_parts_and_a_conversation(client):
    parts = [{"type": "text", "text": "What is"}, {"type": "text", "text": "3 + 4?"}]
    several = [
        {"role": "developer", "content": "Answer."},
        *ASKED,
        {"role": "assistant", "content": "7", "refusal": None, "tool_calls": []},
        {"role": "user", "content": parts},
    ]
    reply = client.chat.completions.create(model="alone", messages=several, max_tokens=3)
    assert reply.choices[0].message.content


def test_an_answer_goes_on_from_its_beginning(client, models):
    whole = models.get("alone").ensemble(QUESTION).text.text
    begun = [*ASKED, {"role": "assistant", "content": whole[:2]}]
    more = {"continue_final_message": True, "add_generation_prompt": False}
    reply = client.chat.completions.create(model="alone", messages=begun, extra_body=more)
    assert whole[:2] + reply.choices[0].message.content == whole


def test_several_answers_are_drawn_with_seeds_one_after_another(client):
    options = {"model": "alone", "messages": ASKED, "temperature": 2, "max_tokens": 6}
    several = client.chat.completions.create(**options, n=3, seed=5)
    singles = [client.chat.completions.create(**options, seed=seed) for seed in (5, 6, 7)]
    texts = [each.message.content for each in several.choices]
    assert texts == [each.choices[0].message.content for each in singles]
    assert len(set(texts)) > 1
    assert [each["seed"] for each in several.ensemble["answers"]] == [5, 6, 7]


def test_options_change_the_answer(client):
    def text(**options):
        extra = {name: options.pop(name) for name in ("ignore_eos", "top_k") if name in options}
        reply = client.chat.completions.create(
            model="alone", messages=ASKED, extra_body=extra, **options
        )
        return reply.choices[0].message.content, reply.choices[0].finish_reason

    plain, _ = text()
    assert text(max_completion_tokens=1) == (plain[:1], "length")
    assert text(stop=plain[-1])[0] == plain[:-1]
    assert len(text(ignore_eos=True, max_tokens=20)[0]) > len(plain)
    assert text(temperature=2, top_k=1, seed=3)[0] == plain


def test_an_answer_that_does_not_end_has_its_least_number_of_tokens(client):
    reply = client.completions.create(
        model="alone", prompt="a", max_tokens=7, extra_body={"ignore_eos": True, "min_tokens": 7}
    )
    assert reply.usage.completion_tokens == 7


def test_a_stream_gives_the_same_text_and_ends_with_the_usage(client):
    whole = client.chat.completions.create(model="fuse", messages=ASKED)
    stream = client.chat.completions.create(
        model="fuse", messages=ASKED, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    assert len(chunks) > len(text)  # a chunk a token, one for the role, the end and the usage
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert (chunks[-1].choices, chunks[-1].usage) == ([], whole.usage)
    assert chunks[-1].ensemble["members"] == whole.ensemble["members"]


def test_a_recipe_that_cannot_stream_answers_in_one_chunk(client):
    options = {"model": "vote", "messages": ASKED, "seed": 1}  # ties are drawn
    whole = client.chat.completions.create(**options)
    chunks = list(client.chat.completions.create(**options, stream=True))
    texts = [c.choices[0].delta.content for c in chunks if c.choices[0].delta.content]
    assert texts == [whole.choices[0].message.content]
    assert chunks[-1].ensemble["members"] == whole.ensemble["members"]


def test_several_answers_stream_side_by_side(client):
    options = {"model": "alone", "messages": ASKED, "temperature": 2, "max_tokens": 6}
    several = client.chat.completions.create(**options, n=3, seed=5)
    texts = ["", "", ""]
    for chunk in client.chat.completions.create(**options, n=3, seed=5, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    assert texts == [each.message.content for each in several.choices]


def test_the_whole_trace_comes_where_it_is_wanted(client):
    reply = client.chat.completions.create(model="vote", messages=ASKED, extra_body={"trace": True})
    assert {step["op"] for step in reply.ensemble["trace"]["steps"]} >= {"vote"}


def test_prompts_are_texts_or_token_ids_one_or_several(client, models):
    tokenizer = models.get("alone").tokenizer
    texts = ["Q: 3 + 4?\nA:", "Q: 1 + 1?\nA:"]
    ids = [tokenizer.vocabulary.encode(each) for each in texts]

    def answers(prompt):
        reply = client.completions.create(model="alone", prompt=prompt, max_tokens=4)
        return [choice.text for choice in reply.choices]

    singles = [answers(each)[0] for each in texts]
    assert answers(texts) == answers(ids) == singles
    assert answers(ids[0]) == singles[:1]


def test_token_ids_need_one_tokenizer(client):
    openai = pytest.importorskip("openai")
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(model="mixed", prompt=[5, 6])
    assert (caught.value.code, caught.value.param) == ("E807", "prompt")


def test_an_option_that_a_recipe_cannot_honour_is_refused_by_its_field(client):
    openai = pytest.importorskip("openai")
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="alone", messages=ASKED, response_format=schema)
    assert caught.value.param == "response_format"
    assert "`response_format` cannot be set for this query" in caught.value.message
