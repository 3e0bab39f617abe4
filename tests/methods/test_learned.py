import asyncio
import gzip
import json
import random
import threading
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from composer.data import read
from composer.methods import Choice, Features, Knn, Linear, PartError, Tfidf
from composer.values import OnceCache, Query, State

A, B = Choice("A"), Choice("B")
RECORDED = Path(__file__).parents[3] / "shared" / "data" / "recorded"


class Letters(Features):
    """One dimension a letter of `abc`, so that cosines can be worked out by hand."""

    def fit(self, queries):
        del queries
        return State()

    def vectors(self, state, queries):
        import numpy as np
        from scipy import sparse

        del state
        counts = [[text.count(letter) for letter in "abc"] for text, _ in queries]
        norms = np.linalg.norm(counts, axis=1, keepdims=True)
        return sparse.csr_matrix(counts / np.where(norms, norms, 1))


@pytest.fixture
def write(tmp_path):
    def to_file(*rows, name="rows.jsonl"):
        path = tmp_path / name
        path.write_text("".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
        return str(path)

    return to_file


def row(query, end="\n", **outcomes):
    recorded = {name: {"correct": value} for name, value in outcomes.items()}
    return json.dumps({"query": query, "recorded": recorded}) + end


@pytest.fixture
def by_hand(write):
    return write(row("a", A=True, B=False), row("aab", A=False, B=True), row("b", A=True, B=True))


def test_knn_is_the_mean_weighted_by_similarity(by_hand):
    found = Knn(data=by_hand, k=2, features=Letters()).judge([("a", ())], (A, B))[0]
    near = 2 / 5**0.5
    assert found.quality == pytest.approx((1 / (1 + near), near / (1 + near)))
    assert found.because == "the 2 nearest recorded queries"


def test_knn_of_one_is_the_nearest_row(by_hand):
    (found,) = Knn(data=by_hand, k=1, features=Letters()).judge([("b", ())], (A, B))
    assert found.quality == (1.0, 1.0)


def test_knn_takes_all_rows_where_there_are_fewer_than_k(by_hand):
    found = Knn(data=by_hand, k=50, features=Letters()).judge([("a", ())], (A,))[0].quality
    assert found == pytest.approx((1 / (1 + 2 / 5**0.5),))


def test_knn_without_anything_similar_is_the_mean_of_all(by_hand):
    found = Knn(data=by_hand, features=Letters()).judge([("ccc", ())], (A, B))[0]
    assert found.quality == pytest.approx((2 / 3, 2 / 3))


def test_equally_near_rows_count_in_their_order(write):
    path = write(row("a", A=True), row("a", A=False), row("a", A=False))
    assert Knn(data=path, k=1, features=Letters()).judge([("a", ())], (A,))[0].quality == (1.0,)


def test_ties_everywhere_give_equal_qualities(write):
    path = write(*(row("a", A=True, B=True) for _ in range(5)))
    first, second = Knn(data=path, k=2).judge([("a", ())], (A, B))[0].quality
    assert first == second == 1.0


def test_rows_without_an_outcome_are_passed_over(write):
    path = write(row("a", B=True), row("aab", A=True, B=False))
    found = Knn(data=path, k=1, features=Letters()).judge([("a", ())], (A, B))[0].quality
    assert found == (1.0, 1.0)


def test_scores_are_averaged_too(write):
    rows = [{"query": "a", "recorded": {"A": {"score": 0.25}}}]
    assert Knn(data=write(*rows)).judge([("a", ())], (A,))[0].quality == (0.25,)


def test_a_choice_is_found_by_its_alias(by_hand):
    strong = Choice("Strong", ("gpt-4", "B"))
    assert Knn(data=by_hand, k=1).judge([("aab", ())], (strong,))[0].quality == (1.0,)


def test_the_name_goes_before_the_alias(by_hand):
    assert Knn(data=by_hand, k=1).judge([("aab", ())], (Choice("A", ("B",)),))[0].quality == (0.0,)


def test_all_choices_that_were_not_recorded_are_named_with_what_the_file_has(by_hand):
    text = "no recorded outcome of `X`, `Y`; it has outcomes of `A`, `B`"
    with pytest.raises(PartError, match=text):
        Knn(data=by_hand).judge([("a", ())], (Choice("X"), Choice("Y")))


def test_a_choice_that_was_not_recorded_is_an_error(by_hand):
    with pytest.raises(PartError, match="has no recorded outcome of `Aa`") as caught:
        Knn(data=by_hand).judge([("a", ())], (Choice("Aa"), B))[0]
    assert caught.value.code == "E504"
    assert "`A`" in caught.value.help


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([row("a", A=True), "{torn"], "line 2: this line is not JSON"),
        ([row("a", A=True), "\n", "[]\n"], "line 3: this line is not a JSON object"),
        (['{"query": "a", "recorded": []}'], 'line 1: "recorded" must map models'),
        (['{"query": "a", "recorded": {"A": true}}'], 'line 1: "recorded" must map models'),
        (
            ['{"query": "a", "recorded": {"A": {"correct": "yes"}}}'],
            'the `correct` of `A` must be between 0 and 1, not "yes"',
        ),
        (
            ['{"query": "a", "recorded": {"A": {"score": NaN}}}'],
            "line 1: `NaN` is not a JSON number",
        ),
        (["\n"], "has no rows"),
        ([], "has no rows"),
    ],
)
def test_a_bad_file_is_an_error_that_says_where(write, lines, said):
    with pytest.raises(PartError) as caught:
        Knn(data=write(*lines)).judge([("a", ())], (A,))[0]
    assert said in caught.value.message
    assert caught.value.code == "E504"


def test_a_bad_file_is_closed(write, monkeypatch):
    path = write('{"query": "a"')
    lines = read(path)
    monkeypatch.setattr("composer.methods.estimators.training_rows.read", lambda _: lines)
    with pytest.raises(PartError):
        Knn(data=path).judge([("a", ())], (A,))
    assert lines.gi_frame is None


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(PartError, match="there is no file"):
        Knn(data=str(tmp_path / "none")).judge([("a", ())], (A,))[0]


def test_a_line_may_hold_other_separators(write):
    row_with = json.dumps({"query": "a\u2028b", "recorded": {"A": {"correct": True}}})
    raw = row_with.replace("\\u2028", "\u2028")
    assert Knn(data=write(raw)).judge([("a", ())], (A,))[0].quality == (1.0,)


def test_a_file_may_be_compressed(tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(row("a", A=True).encode()))
    assert Knn(data=str(path)).judge([("a", ())], (A,))[0].quality == (1.0,)


def test_a_file_that_changes_is_read_again(write):
    knn = Knn(data=write(row("a", A=True)))
    assert knn.judge([("a", ())], (A,))[0].quality == (1.0,)
    write(row("a", A=False), row("a", A=False))
    assert knn.judge([("a", ())], (A,))[0].quality == (0.0,)


def test_linear_learns_which_words_matter(write):
    rows = [
        row(f"{word} {n}", A=word == "easy", B=True) for n in range(20) for word in ("easy", "hard")
    ]
    linear = Linear(data=write(*rows), c=100.0)
    assert linear.judge([("easy one", ())], (A,))[0].quality[0] > 0.9
    assert linear.judge([("hard one", ())], (A,))[0].quality[0] < 0.1


def test_linear_equals_scikit_learns_probability(write):
    from sklearn.linear_model import LogisticRegression

    texts = ["a", "b", "aab", "abb", "ac", "bc"]
    right = [True, False, True, False, True, True]
    path = write(*(row(text, A=value) for text, value in zip(texts, right, strict=True)))
    letters = Letters()
    matrix = letters.vectors(State(), [(text, ()) for text in texts])
    model = LogisticRegression(C=2.0, max_iter=1000).fit(matrix, right)
    found = Linear(data=path, features=Letters(), c=2.0).judge([("abc", ())], (A,))[0].quality
    chance = model.predict_proba(letters.vectors(State(), [("abc", ())]))[0, 1]
    assert found == pytest.approx((chance,))


def test_one_outcome_only_gives_its_smoothed_share(write):
    path = write(*(row(text, A=True, B=False) for text in "abc"))
    assert Linear(data=path).judge([("a", ())], (A, B))[0].quality == (pytest.approx(0.8), 0.2)


def test_linear_fits_scores_by_ridge_regression(write):
    rows = [
        json.dumps({"query": text, "recorded": {"A": {"score": score}}}) + "\n"
        for text, score in [("a", 0.9), ("a", 0.9), ("b", 0.1), ("b", 0.1)]
    ]
    linear = Linear(data=write(*rows), features=Letters(), c=1e6)
    assert linear.judge([("a", ())], (A,))[0].quality == pytest.approx((0.9,), abs=1e-4)
    assert linear.judge([("b", ())], (A,))[0].quality == pytest.approx((0.1,), abs=1e-4)


def test_words_and_letters_may_both_be_terms(by_hand):
    both = Tfidf(words=1, chars=3)
    state, matrix = both.embed([("one two", ()), ("three", ())])
    assert pytest.approx([1.0, 1.0]) == matrix.multiply(matrix).sum(axis=1).A1
    assert both.vectors(state, [("zzz", ())]).nnz == 0


def test_terms_of_no_kind_are_refused():
    with pytest.raises(ValidationError, match="`words` must be 1 or more"):
        Tfidf(words=0)


def test_options_are_compared_by_value(by_hand):
    assert Knn(data=by_hand) == Knn(data=by_hand, k=20, features=Tfidf(words=2))


def test_an_estimate_is_worked_out_in_a_thread(by_hand, script):
    ask = script()
    query = Query.of("a").asking("Think step by step: a", Query.of("a"))
    found = asyncio.run(Knn(data=by_hand, k=1, features=Letters()).estimate(query, (A, B), ask))
    assert found.quality == (1.0, 0.0)
    assert ask.computed == 1


def test_work_is_done_once_however_many_ask():
    once, made = OnceCache(), []

    def work():
        time.sleep(0.01)
        made.append(1)
        return "done"

    threads = [threading.Thread(target=once.get, args=("key", work)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]
    assert once.get("key", work) == "done"


def test_a_failure_is_tried_again():
    once = OnceCache()
    with pytest.raises(ZeroDivisionError):
        once.get("key", lambda: 1 / 0)
    assert once.get("key", lambda: 2) == 2


@pytest.fixture
def gsm8k(tmp_path):
    path = RECORDED / "routellm_gsm8k.jsonl.gz"
    if not path.exists():
        pytest.skip("the recorded answers are not beside this checkout")
    rows = [
        json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().split("\n")[:-1]
    ]
    random.Random(0).shuffle(rows)
    train = tmp_path / "train.jsonl"
    train.write_text("\n".join(map(json.dumps, rows[:900])))
    return str(train), rows[900:]


@pytest.mark.parametrize("estimator", [Knn, Linear])
def test_recorded_rows_route_better_than_chance(gsm8k, estimator):
    """Ask the strong model for the half of the queries with the largest estimated gain."""
    train, test = gsm8k
    weak, strong = Choice("M", ("mixtral-8x7b",)), Choice("G", ("gpt-4",))
    router = estimator(data=train)
    gain = []
    for each in test:
        first, second = router.judge([(each["query"], ())], (weak, strong))[0].quality
        right = [each["recorded"][name]["correct"] for name in ("mixtral-8x7b", "gpt-4")]
        gain.append((second - first, right[1] - right[0]))
    gain.sort(key=lambda pair: -pair[0])
    half = len(gain) // 2
    assert sum(real for _, real in gain[:half]) > sum(real for _, real in gain[half:])


def test_a_decision_takes_milliseconds(gsm8k):
    train, test = gsm8k
    router = Knn(data=train)
    router.judge([("warm up", ())], (Choice("gpt-4"),))[0]
    seconds = []
    for each in test[:50]:
        start = time.process_time()
        router.judge([(each["query"], ())], (Choice("mixtral-8x7b"), Choice("gpt-4")))[0]
        seconds.append(time.process_time() - start)
    assert sorted(seconds)[25] < 0.01
