"""What a cascade carries to its next stage."""

import asyncio

import pytest

from composer.methods.carry.conversation import History, LastAnswer
from composer.methods.cascade_state import CascadeState, StageAnswer
from composer.values import Query, Text

SHOWN = "{{ query }} after {{ answers | map(attribute='text') | join(' and ') }}"


@pytest.fixture
def prompts(ready):
    """Answer a query; return the messages of each call, in order."""

    def sent(text, query="Why?", **how):
        result = ready(text, **how)(query)
        return [call.prompt for event in result.trace.events for call in event.asked]

    return sent


def texts(messages):
    return [content for each in messages for _, content in each]


def test_the_next_stage_reads_all_answers_so_far(prompts):
    recipe = f'cascade(A, B, C, accept = false, carry = answer("{SHOWN}"))'
    assert texts(prompts(recipe)) == ["Why?", "Why? after a", "Why? after a and b"]


def test_the_last_answer_is_in_the_default_prompt(prompts):
    first, second = texts(prompts("cascade(A, B, accept = false, carry = answer())"))
    assert first == "Why?"
    assert second.startswith("Why?")
    assert "\na\n" in second


def test_a_conversation_goes_on_with_each_answer(prompts):
    *_, last = prompts('cascade(A, B, C, accept = false, carry = history(again = "No."))')
    turns = [("user", "Why?"), ("assistant", "a"), ("user", "No."), ("assistant", "b")]
    assert list(map(tuple, last)) == [*turns, ("user", "No.")]


def test_an_answer_before_the_cascade_is_carried(prompts):
    recipe = f'A -> cascade(C, accept = false, carry = answer("{SHOWN}"))'
    assert texts(prompts(recipe))[-1] == "Why? after a"


def test_what_is_carried_is_added_to_a_prompt_of_the_recipe(prompts):
    recipe = (
        'prompt("{{ query }} Think.", system = "Be short.")'
        f' -> cascade(A, B, accept = false, carry = answer("{SHOWN}"))'
    )
    (system, user) = prompts(recipe)[-1]
    assert (tuple(system), tuple(user)) == (
        ("system", "Be short."),
        ("user", "Why? Think. after a"),
    )


def test_a_model_may_be_asked_again(prompts):
    recipe = f'cascade(A, A, accept = false, carry = answer("{SHOWN}"))'
    assert texts(prompts(recipe)) == ["Why?", "Why? after a"]


def test_all_steps_of_a_branch_see_what_is_carried(prompts):
    branch = 'prompt("[{{ query }}]") -> cascade(B, C, accept = false)'
    recipe = f'cascade(A, {branch}, accept = false, carry = answer("{SHOWN}"))'
    assert texts(prompts(recipe)) == ["Why?", "[Why? after a]", "[Why? after a]"]


def test_carries_may_be_nested(prompts):
    inner = f'cascade(B, C, accept = false, carry = answer("{SHOWN}"))'
    recipe = f'cascade(A, {inner}, accept = false, carry = answer("{SHOWN}"))'
    assert texts(prompts(recipe))[-1] == "Why? after a after b"


def test_a_failed_stage_carries_nothing(prompts):
    recipe = f'cascade(broken, A, B, accept = false, carry = answer("{SHOWN}"))'
    assert texts(prompts(recipe))[1:] == ["Why?", "Why? after a"]


def test_steps_after_the_cascade_see_the_question(prompts):
    recipe = (
        f'cascade(A, B, accept = false, carry = answer("{SHOWN}"))'
        ' -> prompt("{{ query }}: {{ answer }}") -> say'
    )
    assert texts(prompts(recipe))[-1] == "Why?: b"


def test_carrying_keeps_a_cascade_that_accepts_everything(ready):
    steps = ready("cascade(A, B, accept = true, carry = history())").steps
    assert "cascade" in [each.op for each in steps.values()]


def test_what_a_cascade_is_fitted_on_is_carried_too(load):
    from composer.evaluate.stages import every_stage_recipe
    from composer.steps.cascading import CASCADE

    recipe = load('cascade(A, say, accept = true, carry = answer("{{ query }} {{ answer }}"))')
    node = recipe.compiled.answer
    with every_stage_recipe(recipe, node, ()).ready() as ensemble:
        state = ensemble("Why?").text.facts[CASCADE]
    assert [each.text.text for each in state.answers.values()] == ["a", "Why? a"]


def test_a_rehearsal_counts_what_is_carried(load, tmp_path):
    from composer.evaluate import read_rows
    from composer.evaluate.estimate import estimate

    data = tmp_path / "rows.jsonl"
    data.write_text('{"query": "Why?"}\n')
    more = f', carry = answer("{"word " * 50} {{{{ query }}}} {{{{ answer }}}}")'
    plain, carried = (
        estimate(load(f"cascade(A, B, accept = false{each})"), read_rows(data))
        for each in ("", more)
    )
    reads = [each.members["B"].amounts.prompt_tokens.high for each in (plain, carried)]
    assert reads[1] - reads[0] > 50


def state_of(query, *answers):
    names = tuple("ABC"[: len(answers) + 1])
    texts = {at: StageAnswer(Text(query, text)) for at, text in enumerate(answers)}
    return CascadeState(query, names, texts)


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (LastAnswer(template={"text": "{{ query }} {{ answer }}"}), "Q a"),
        (History(again="Again."), "Q\n\na\n\nAgain."),
    ],
)
def test_a_raw_query_stays_raw(part, text):
    query = Query((("user", "Q"),), raw=True)
    carried = asyncio.run(part.query(query, state_of(query, "a"), None))
    assert (carried.raw, carried.text) == (True, text)
    assert carried.root is query


def test_a_local_stage_checks_the_last_answer_as_a_draft(ready):
    text = (
        'use "zoo.ens" (general, large)\n'
        "default generate(max_tokens = 32)\n"
        "general -> cascade(large, accept = false{})"
    )
    question = "Add 17 and 25."
    plain, made = (ready(text.format(more))(question) for more in ("", ", carry = draft()"))
    assert made.answer == plain.answer
    assert made.text.logprobs == pytest.approx(plain.text.logprobs, abs=1e-3)
    assert made.text.facts["from_draft"] > 0


def test_a_draft_for_models_behind_servers_changes_nothing(load):
    found = load("cascade(A, B, accept = false, carry = draft())").check()
    warning = next(each for each in found if each.code == "W304")
    assert "no stage behind the first is a model of this process" in warning.message
