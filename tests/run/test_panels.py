"""A panel: its order, a judge's analysis, and what becomes of a judge that cannot give one."""

import asyncio
import json

import pytest
from scripted_server import reply, scripted

from composer.methods import PartError
from composer.methods.analysis import KEYS, LONGEST, analysis_in
from composer.recipe import Recipe
from composer.run import Failure

FINDINGS = {"consensus": ["both say 4"], "blind_spots": ["no proof"]}
MODELS = '''
model A = fake(says = "alpha")
model B = fake(says = "beta")
model C = fake(says = "gamma")
model echo = fake(style = echo)
model broken = fake(fails = true)
model late = fake(says = "{}", seconds = 1000)
model judge = fake(says = """{"consensus": ["all are Greek"], "blind_spots": []}""")
model prose = fake(says = "They agree.")
model typed = fake(says = """{"consensus": [1]}""")
'''
SHOWN = '"""{% for a in answers %}{{ a }};{% endfor %}{{ analysis.consensus }}{{ analysis }}"""'


@pytest.fixture
def answer(ready):
    return lambda text, query="Why?", **how: ready(text, models=MODELS, **how)(query)


@pytest.mark.parametrize(
    "reply",
    [
        json.dumps(FINDINGS),
        f"```json\n{json.dumps(FINDINGS, indent=1)}\n```",
        f"Here it is: {json.dumps(FINDINGS)} I hope {{this}} helps.",
        f'{{"note": 1}} {json.dumps(FINDINGS | {"verdict": 3})}',
    ],
)
def test_an_analysis_is_read_out_of_a_reply(reply):
    analysis = analysis_in(reply)
    assert (analysis.consensus, analysis.blind_spots) == (["both say 4"], ["no proof"])
    assert str(analysis) == "Consensus:\n- both say 4\n\nBlind spots:\n- no proof"
    assert analysis.contradictions == []


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("They agree.", "no JSON object"),
        ("", "no JSON object"),
        ('{"summary": ["x"]}', "no JSON object"),
        ('{"consensus": {"a": 1}}', "`consensus` must be a sentence or a list"),
        ('{"consensus": [1]}', "`consensus.0` must be a sentence or a list"),
        ('{"consensus": ["a"', "no JSON object"),
        ("{" * 100_000, "no JSON object"),
        ("[" * 100_000 + '{"a": ' * 50_000, "at most"),
        ("x" * (LONGEST + 1), "at most"),
    ],
)
def test_a_reply_without_an_analysis_says_what_is_wrong(reply, why):
    with pytest.raises(PartError, match=why) as caught:
        analysis_in(reply)
    assert caught.value.code == "E701"


def test_one_sentence_is_a_list_of_one_and_null_is_none():
    analysis = analysis_in('{"consensus": "both say 4", "blind_spots": null}')
    assert (analysis.consensus, analysis.blind_spots) == (["both say 4"], [])


def test_templates_read_the_analysis(answer):
    shown = answer(f"[A, B] -> analyse(judge) -> regenerate(echo, {SHOWN})")
    assert shown.answer == "alpha;beta;['all are Greek']Consensus:\n- all are Greek"
    assert not shown.failed


@pytest.mark.parametrize(
    "between", ["rank(by = shortest()) ->", "rank(by = length()) -> top(2) ->", "shuffle() ->"]
)
def test_the_analysis_goes_on_through_steps_that_choose(answer, between):
    text = f'[A, B] -> analyse(judge) -> {between} regenerate(echo, """{{{{ analysis }}}}""")'
    assert answer(text).answer == "Consensus:\n- all are Greek"


@pytest.mark.parametrize(
    ("judge", "why"),
    [
        ("broken", "[E701]"),
        ("prose", "no JSON object"),
        ("typed", "must be a sentence or a list of sentences"),
        ("late, timeout = 0.05", "[E702]"),
    ],
)
def test_the_raw_panel_goes_on_without_a_judge(answer, judge, why):
    result = answer(f"[A, B] -> analyse({judge}) -> regenerate(echo, {SHOWN})")
    assert result.answer == "alpha;beta;[]"
    (failure,) = result.failed
    assert failure.branch == "analyse"
    assert why in failure.error


def test_a_judge_behind_a_server_is_held_to_the_schema(tmp_path):
    pytest.importorskip("jsonschema")
    findings = json.dumps({key: ["x"] for key in KEYS})
    message = {"message": {"role": "assistant", "content": findings}, "finish_reason": "stop"}
    body = {
        "choices": [{"index": 0, **message}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2},
    }

    async def run():
        async with scripted(reply(body)) as server:
            path = tmp_path / "r.ens"
            how = "probe = false, api = chat, abilities = [schema: true]"
            judge = f'model judge = endpoint("m", url = "{server.url}", {how})'
            text = f"A -> analyse(judge) -> regenerate(echo, {SHOWN})"
            path.write_text(f"{MODELS.replace('model judge', 'model unused')}{judge}\n{text}\n")
            async with Recipe.load(path).ready(cache=False) as ensemble:
                return await ensemble.ask("Why?"), server.requests[0][2]

    result, request = asyncio.run(run())
    assert "Blind spots:\n- x" in result.answer
    assert request["response_format"]["json_schema"]["schema"]["required"] == list(KEYS)


def test_a_spent_budget_ends_the_answer_and_not_only_the_analysis(load):
    models = 'model A = fake(says = "a")\nmodel judge = fake(says = "{}", price = [9, 9000])\n'
    recipe = load("A -> analyse(judge) -> regenerate(A)", models=models)
    with recipe.ready(budget=1e-6) as ensemble, pytest.raises(Failure) as caught:
        ensemble("Why?")
    assert caught.value.code == "E709"


@pytest.mark.parametrize("panel", ["[A]", "[A, broken]", "[A, A]", "sample(A, 1)"])
def test_small_panels(answer, panel):
    text = f"{panel} -> shuffle() -> analyse(judge) -> regenerate(echo, {SHOWN})"
    assert answer(f"default bank(min = 1)\n{text}").answer.endswith("- all are Greek")


def test_a_panel_whose_members_all_fail_is_an_error(answer):
    with pytest.raises(Failure) as caught:
        answer("[broken, broken] -> shuffle() -> analyse(judge) -> regenerate(echo)")
    assert caught.value.code == "E716"


def steps_of(result, op):
    return [event for event in result.trace.events if event.op == op]


def test_the_order_differs_by_question_and_seed_and_is_in_the_trace(ready):
    text = 'let panel = [A, B, C]\npanel -> shuffle() -> regenerate(echo, """{{ answers }}""")'
    written = {"A": "alpha", "B": "beta", "C": "gamma"}

    def orders(seed):
        ensemble = ready(text, models=MODELS, seed=seed)
        results = list(ensemble.map([f"Why {at}?" for at in range(12)]))
        for result in results:
            (event,) = steps_of(result, "shuffle")
            lines = [line.split(". ")[1] for line in result.answer.split("\n")]
            assert lines == [written[name] for name in event.notes["order"]]
        return [result.answer for result in results]

    first = orders(1)
    assert len(set(first)) > 2
    assert orders(1) == first
    assert orders(2) != first


def test_a_choice_by_number_is_that_of_the_name(ready):
    models = MODELS + 'model second = fake(says = "2")\n'
    ensemble = ready("[A, B, C] -> shuffle() -> select(second)", models=models)
    for at in range(6):
        result = ensemble(f"Why {at}?")
        order = steps_of(result, "shuffle")[0].notes["order"]
        assert steps_of(result, "select")[0].notes["winner"] == order[1]
        assert result.text.source == order[1]


def test_the_writer_and_the_judge_see_no_names(ready):
    names = MODELS.replace("model A", "model Zeno").replace("model B", "model Plato")
    text = "[Zeno, Plato] -> shuffle() -> analyse(judge) -> regenerate(echo, synthesis)"
    result = ready(text, models=names)("Why?")
    readers = [*steps_of(result, "analyse"), *steps_of(result, "regenerate")]
    prompts = [call.prompt for event in readers for call in event.asked]
    assert len(prompts) == 2
    assert all("alpha" in str(prompt) and "Zeno" not in str(prompt) for prompt in prompts)
    assert "Consensus:\n- all are Greek" in result.answer
    assert "score" not in result.answer


def test_the_synthesis_shows_scores_of_a_ranking(ready):
    text = "[A, B] -> rank(by = length()) -> regenerate(echo, synthesis)"
    shown = ready(text, models=MODELS)("Why?").answer
    assert "Response 1, score 5:\nalpha" in shown
    assert "Response 2, score 4:\nbeta" in shown


@pytest.mark.parametrize(
    "text",
    [
        "debate(A, B, rounds = 1, read = choice()) -> extract(choice()) -> vote()",
        "draw_best(A, B, by = length(), n = 2, read = choice())",
        "[A, B] -> extract(choice()) -> vote()",
    ],
)
def test_every_step_that_reads_sees_the_options_of_the_question(ready, text):
    models = 'model A = fake(says = "It is red.")\nmodel B = fake(says = "red")\n'
    question = {"query": "Which?", "choices": ["blue", "red"]}
    (result,) = ready(text, models=models).map([question])
    assert result.answer == "B"
