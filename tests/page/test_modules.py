"""The page's modules that need no browser, run by Node.js where there is one."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

APP = Path(__file__).parents[2] / "composer" / "serve" / "page" / "static" / "app"

NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="Node.js is not installed")


@pytest.fixture
def evaluated():
    """Return the value of an expression in which a module's exports have their names."""

    def evaluate(module, expression):
        code = f"""
            import * as exported from {json.dumps((APP / module).as_uri())};
            const names = Object.keys(exported);
            const value = new Function(...names, {json.dumps(f"return {expression}")});
            console.log(JSON.stringify(value(...Object.values(exported))));
        """
        command = [NODE, "--input-type=module", "--eval", code]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return evaluate


MEMBERS = """[
    {name: "A", weight: 0.5, logprob: Math.log(0.2), top: []},
    {name: "B", weight: 0.3, logprob: Math.log(0.8), top: []},
    {name: "C", weight: 0.2, logprob: null, top: []},
]"""


def test_a_token_is_won_by_the_largest_weight_times_probability(evaluated):
    token = f'{{text: " 42", logprob: -0.5, end: false, top: [], members: {MEMBERS}}}'
    won = evaluated("writing.js", f"wonToken({token}, 'fuse')")
    assert won["winner"] == "B"
    assert won["clarity"] == pytest.approx((0.24 - 0.1) / 0.34)
    assert [share["name"] for share in won["shares"]] == ["B", "A"]


def test_one_model_leads_its_own_second_choice(evaluated):
    top = '[["no", Math.log(0.6)], ["yes", Math.log(0.3)]]'
    token = f'{{text: "no", logprob: Math.log(0.6), end: false, top: {top}, members: []}}'
    won = evaluated("writing.js", f"wonToken({token}, 'A')")
    assert (won["winner"], won["clarity"]) == ("A", pytest.approx(0.3))


def test_a_stop_string_is_no_part_of_the_answer(evaluated):
    made = 'Writing.of(["a b", " STOP", ""].map((text) => piece(text, "A")))'
    cut = f"(() => {{ const writing = {made}; writing.cut('a b'); return writing.tokens; }})()"
    assert [token["isCut"] for token in evaluated("writing.js", cut)] == [False, True, False]


def test_a_span_keeps_the_weights_of_its_members(evaluated):
    span = '{text: "a", winner: "A", candidates: {A: "a", B: "b"}, scores: {}, weights: {A: 0.7}}'
    assert evaluated("writing.js", f"spanToken({span}).span.weights") == {"A": 0.7}
    old = '{text: "a", winner: "A", candidates: {A: "a", B: "b"}, scores: {}}'
    assert evaluated("writing.js", f"spanToken({old}).span.weights") == {}


def test_paragraphs_end_where_lines_do_and_chunks_stay_small(evaluated):
    pieces = 'Array.from({length: 200}, (_, at) => piece(at === 99 ? "x\\n" : "x", "A"))'
    shape = (
        f"Writing.of({pieces}).paragraphs.map((each) => each.map(({{tokens}}) => tokens.length))"
    )
    assert evaluated("writing.js", shape) == [[48, 48, 4], [48, 48, 4]]


def test_words_that_differ_are_marked(evaluated):
    marked = evaluated("text_diff.js", 'pieces("It is 42, Sir.", "it is 25.")')
    assert marked == [
        {"text": "It is", "differs": False},
        {"text": " 42, Sir", "differs": True},
        {"text": ".", "differs": False},
    ]
    assert evaluated("text_diff.js", 'pieces("same", "Same")') == [
        {"text": "same", "differs": False}
    ]


def test_numbers_are_as_short_as_people_read_them(evaluated):
    times = evaluated("numbers.js", "[0.0042, 0.4, 12.34, 75].map(duration)")
    assert times == ["4.2 ms", "400 ms", "12.3 s", "1 min 15 s"]
    assert evaluated("numbers.js", "[0, 0.0000234, 1.5].map(cost)") == ["$0", "$0.000023", "$1.50"]
    shares = evaluated("numbers.js", "[0, 1, 0.9999, 0.00001].map(percent)")
    assert shares == ["0%", "100%", ">99.9%", "<0.1%"]


def test_spaces_are_seen(evaluated):
    shown = evaluated(
        "visible.js", 'visible({text: " a\\n\\t"}) + visible({text: "", bytes: "e4bd"})'
    )
    assert shown == "␣a↵⇥\\xe4\\xbd"
