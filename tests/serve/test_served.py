"""A served model: its queries, its options, its figures."""

import threading

import pytest

import composer
from composer.run.result import Failure
from composer.serve.admission import Admission
from composer.serve.errors import ProtocolError
from composer.serve.metrics import Metrics
from composer.serve.opening import open_server
from composer.serve.served import ServedModel
from composer.serve.settings import Settings
from composer.serve.visits import VISIT, Visit
from composer.values import Query
from composer.values.details import TokenDetail
from composer.values.options import AnswerOptions

RECIPE = """
model A = fake(says = "yes", price = [1, 10])
model B = fake(fails = true)
[A, A, B] -> vote()
"""


@pytest.fixture(scope="module")
def recipe():
    return composer.load(RECIPE)


@pytest.fixture
def served(recipe):
    admission = Admission()
    with recipe.ready() as ensemble:
        yield ServedModel(
            "vote",
            recipe,
            ensemble,
            Settings(keep=frozenset({"temperature"}), max_prompt=10),
            admission,
            Metrics(admission),
        )


def lines(served, *names):
    text = served.metrics.text().decode()
    return [line for line in text.splitlines() if line.startswith(names)]


def counted(future):
    """Return the result of a future, once the server has counted it."""
    called = threading.Event()
    future.add_done_callback(lambda _: called.set())  # is called after those of the server
    assert called.wait(60)
    return future.result()


def test_a_query_is_counted_by_model_and_member(served):
    assert counted(served.start(Query.of("what?"))).answer == "yes"
    assert lines(served, "compose_queries_total", "compose_calls_total") == [
        'compose_queries_total{error="",model="vote"} 1.0',
        'compose_calls_total{member="A",model="vote"} 1.0',
    ]
    assert lines(served, "compose_failed_branches_total") == [
        'compose_failed_branches_total{branch="B",model="vote"} 1.0'
    ]
    assert lines(served, "compose_running", "compose_waiting") == [
        'compose_running{model="vote"} 0.0',
        'compose_waiting{model="vote"} 0.0',
    ]


def test_a_prompt_that_is_scored_is_counted_for_each_model_that_reads_it():
    recipe, admission = composer.load('model A = zoo("maths")\nA'), Admission()
    with recipe.ready() as ensemble:
        served = ServedModel("A", recipe, ensemble, metrics=Metrics(admission))
        query = Query((("user", "3 + 4 = 7"),), raw=True)
        score = counted(served.start_score(query, TokenDetail(1)))
    read = len(score.before) + len(score.choices)
    assert lines(served, "compose_prompt_tokens_total", "compose_queries_total") == [
        'compose_queries_total{error="",model="A"} 1.0',
        f'compose_prompt_tokens_total{{member="A",model="A"}} {read}.0',
    ]


def test_a_long_prompt_is_refused(served):
    with pytest.raises(ProtocolError, match="has 11 characters, and this server takes at most 10"):
        served.start(Query.of("x" * 11))
    with pytest.raises(ProtocolError, match="11 token ids"):
        served.start(Query((("user", ""),), raw=True, ids=tuple(range(11))))
    with pytest.raises(ProtocolError, match="has 11 characters"):
        served.demand_short(Query.of("x" * 6), prefix="y" * 5)


def test_what_the_operator_keeps_stands_whatever_a_request_says(served):
    wanted = AnswerOptions(temperature=0.0, max_tokens=4)
    assert served.settled(wanted) == AnswerOptions(max_tokens=4)
    with pytest.raises(Failure, match="logit_bias"):
        served.settled(AnswerOptions(logit_bias=((5, 1.0),)))


def test_a_request_without_a_seed_has_another_one_each_time_unless_the_operator_sets_it(recipe):
    with recipe.ready() as ensemble:
        seeds = {ServedModel("vote", recipe, ensemble).seed() for _ in range(8)}
        fixed = ServedModel("vote", recipe, ensemble, Settings(seed=7))
        assert len(seeds) == 8
        assert {fixed.seed() for _ in range(8)} == {7}


def test_a_visit_knows_its_model_its_tokens_and_its_first_text(served):
    recipe = composer.load('model A = fake(says = "yes it is")\nA')
    with recipe.ready() as ensemble:
        model, pieces, visit = ServedModel("A", recipe, ensemble), [], Visit()
        VISIT.set(visit)
        model.start(Query.of("what?"), on_text=pieces.append).result()
        VISIT.set(None)
    assert "".join(pieces) == "yes it is"
    assert (visit.model, visit.tokens) == ("A", 3)
    assert 0 < visit.first_text <= visit.seconds


def test_models_of_a_server_share_a_budget_which_errors_tell(recipe):
    with open_server({"a": recipe, "b": recipe}, Settings(), budget=0) as opened:
        models = opened.registry.models
        failed = [models[name].start(Query.of("what?")).exception() for name in "ab"]
    assert {each.code for each in failed} == {"E709"}
    assert "budget of $0" in str(failed[0])
