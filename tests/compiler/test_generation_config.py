"""What a model's folder says of how it is asked: it is said, heeded on request, or refused."""

import json
import shutil
from pathlib import Path

import pytest

from composer import zoo
from composer.checkpoints.generation import stated_in
from composer.compiler.graph import topological
from composer.compiler.plan import describe
from composer.diagnostics import Mistakes
from composer.recipe import Recipe

HEEDED = 'model A = hf("m", generation_config = true)\n'
QWEN = {
    "do_sample": True,
    "temperature": 0.7,
    "top_p": 0.8,
    "top_k": 20,
    "repetition_penalty": 1.05,
    "eos_token_id": 1,
    "pad_token_id": 0,
    "transformers_version": "4.37.0",
}


@pytest.fixture
def load(tmp_path):
    """Load a recipe beside a model `m` whose folder states something: `load(stated, text)`."""

    def read(stated, text, **how):
        folder = tmp_path / "m"
        if not folder.exists():
            shutil.copytree(zoo.folder("general-1"), folder)
        file = folder / "generation_config.json"
        file.write_text(stated if isinstance(stated, str) else json.dumps(stated))
        path = tmp_path / how.pop("name", "r.ens")
        path.write_text(text)
        return Recipe.load(path, root=tmp_path, **how)

    return read


@pytest.fixture
def mistakes(load):
    """The codes and texts of what is wrong with a recipe."""

    def find(stated, text, **how):
        with pytest.raises(Mistakes) as caught:
            load(stated, text, **how)
        return [(each.code, each.message) for each in caught.value.diagnostics]

    return find


def asked(recipe):
    """The options that the last step of a recipe asks with, as far as somebody set them."""
    options = recipe._planned.root.options
    return {name: getattr(options, name) for name in options.model_fields_set - {"draw"}}


def leaf(recipe):
    """What is done to the logits of a recipe's only model."""
    (node,) = (n for n in topological(recipe._planned.root) if n.declaration is not None)
    return node.declaration.weights.processing.set_options


def test_what_is_not_used_is_said_with_its_values(load):
    (warning,) = load(QWEN, 'model A = hf("m")\nA').check()
    assert warning.code == "W402"
    assert "do_sample = true, temperature = 0.7, top_p = 0.8, top_k = 20" in warning.message
    assert "repetition_penalty = 1.05" in warning.message
    assert "eos_token_id" not in warning.message


@pytest.mark.parametrize(
    "stated",
    [
        {},
        {"temperature": 0.6, "top_p": 0.9},
        {"do_sample": False, "temperature": 0.6, "typical_p": 0.2},
        {"repetition_penalty": 1.0, "num_beams": 1, "bad_words_ids": None, "max_length": 9999},
        {"eos_token_id": [1, 2], "use_cache": True, "cache_implementation": "static"},
    ],
)
def test_nothing_is_said_of_what_changes_no_answer(load, stated):
    assert load(stated, 'model A = hf("m")\nA').check() == ()


@pytest.mark.parametrize("said", ["true", "false"])
def test_nothing_is_said_to_who_has_decided(load, said):
    assert load(QWEN, f'model A = hf("m", generation_config = {said})\nA').check() == ()


def test_an_option_of_the_declaration_needs_no_warning(load):
    stated = {"repetition_penalty": 1.1}
    assert load(stated, 'model A = hf("m", repetition_penalty = 1.2)\nA').check() == ()


def test_a_configuration_of_before_is_read_as_transformers_reads_it(load, tmp_path):
    load({}, 'model A = hf("m")\nA')
    (tmp_path / "m" / "generation_config.json").unlink()
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    (tmp_path / "m" / "config.json").write_text(json.dumps(config | {"repetition_penalty": 1.3}))
    assert stated_in(tmp_path / "m", None).text == "repetition_penalty = 1.3"


def test_on_request_a_lone_model_is_asked_as_its_folder_says(load):
    recipe = load(QWEN | {"max_new_tokens": 9, "min_new_tokens": 2}, HEEDED + "A")
    drawn = {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "max_tokens": 9, "min_tokens": 2}
    assert asked(recipe) == drawn
    assert leaf(recipe) == {"repetition_penalty": 1.05}


def test_who_draws_and_says_no_more_draws_as_transformers_does(load):
    assert asked(load({"do_sample": True}, HEEDED + "A")) == {"temperature": 1.0, "top_k": 50}


def test_all_that_can_be_done_to_logits_is_taken(load):
    stated = {
        "suppress_tokens": [3, 4],
        "begin_suppress_tokens": [5],
        "bad_words_ids": [[6], [7, 8]],
        "sequence_bias": [[[9], 1.5]],
        "no_repeat_ngram_size": 3,
        "min_length": 4,
    }
    assert leaf(load(stated, HEEDED + "A")) == {
        "suppress_tokens": (3, 4),
        "begin_suppress_tokens": (5,),
        "bad_words_ids": ((6,), (7, 8)),
        "sequence_bias": (((9,), 1.5),),
        "no_repeat_ngram_size": 3,
        "min_length": 4,
    }


def test_the_recipe_goes_before_the_folder(load):
    text = HEEDED + "default generate(top_p = 1)\nA(temperature = 0)"
    assert asked(load(QWEN, text)) == {"temperature": 0.0, "top_p": 1.0, "top_k": 20}
    declared = 'model A = hf("m", generation_config = true, repetition_penalty = 1)\nA'
    assert leaf(load(QWEN, declared)) == {"repetition_penalty": 1.0}


def test_a_length_of_the_answer_goes_before_one_of_prompt_and_answer(load):
    assert asked(load({"max_length": 30}, HEEDED + "A")) == {"max_length": 30}
    assert asked(load({"max_length": 30}, HEEDED + "A(max_tokens = 4)")) == {"max_tokens": 4}
    both = {"max_length": 30, "max_new_tokens": 5}
    assert asked(load(both, HEEDED + "A")) == {"max_tokens": 5}


def test_draws_of_one_model_are_as_its_folder_says(load):
    recipe = load(QWEN, HEEDED + "sample(A, 3) -> vote()")
    (node,) = (n for n in topological(recipe._planned.root) if n.op == "sample")
    assert (node.get("temperature"), node.get("top_k")) == (0.7, 20)


def test_a_fuse_draws_as_it_is_asked_and_says_so(load):
    recipe = load(QWEN, HEEDED + 'model B = zoo("general-2")\ntoken_fuse(A, B)')
    (warning,) = recipe.check()
    assert warning.code == "W403"
    assert "temperature = 0.7, top_k = 20, top_p = 0.8" in warning.message
    assert "repetition" not in warning.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_beams", 4),
        ("guidance_scale", 1.5),
        ("forced_eos_token_id", 1),
        ("exponential_decay_length_penalty", [3, 1.2]),
        ("stop_strings", ["."]),
        ("typical_p", 0.5),
        ("watermarking_config", {"bias": 2.5}),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(mistakes, load, name, value):
    stated = {"do_sample": True, name: value}
    ((code, message),) = mistakes(stated, HEEDED + "A")
    assert code == "E408"
    assert name in message
    (warning,) = load(stated, 'model A = hf("m")\nA').check()
    assert name in warning.message


@pytest.mark.parametrize(
    "stated",
    [
        {"repetition_penalty": "high"},
        {"repetition_penalty": -1},
        {"suppress_tokens": 3},
        {"suppress_tokens": [-1]},
        {"bad_words_ids": [3]},
        {"max_new_tokens": 1.5},
        {"do_sample": True, "temperature": 0},
        {"do_sample": True, "top_p": 7},
        {"sequence_bias": {"a": 1}},
        {"min_length": [1]},
        '{"repetition_penalty": Infinity}',
        '{"repetition_penalty": NaN}',
        "{",
        "[]",
    ],
)
def test_a_value_that_is_of_no_use_is_a_mistake_of_the_folder(mistakes, stated):
    assert [code for code, _ in mistakes(stated, HEEDED + "A")] == ["E505"]


def test_a_model_that_is_not_here_cannot_be_asked_as_its_folder_says(
    mistakes, monkeypatch, tmp_path
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    text = 'model A = hf("someone/absent", generation_config = true)\nA'
    assert [code for code, _ in mistakes({}, text)] == ["E408"]


def test_the_plan_says_what_is_done_and_who_said_so(load, capfd):
    recipe = load(QWEN | {"suppress_tokens": [3]}, HEEDED + "A(logit_bias = [[4, -1], [5, 2.5]])")
    plan = describe(recipe.plan())
    assert "repetition_penalty = 1.05, suppress_tokens = [3]" in plan
    assert "logit_bias = [[4, -1], [5, 2.5]]" in plan
    (model,) = recipe.plan().models
    assert dict(model.processing) == {"repetition_penalty": "1.05", "suppress_tokens": "[3]"}


def test_answers_are_kept_apart_by_what_is_done_to_logits(load):
    texts = [
        'model A = hf("m")\nA',
        'model A = hf("m")\nA(repetition_penalty = 1.2)',
        'model A = hf("m")\nA(logit_bias = [[40, -100]])',
        'model A = hf("m", repetition_penalty = 1.2)\nA',
        'model A = hf("m", min_tokens = 5)\nA',
        HEEDED + "A",
    ]
    assert len({load(QWEN, text).fingerprint for text in texts}) == len(texts)


YAML = """
model: {A: {hf: {path: {text: m}, presence_penalty: 0.5}}}
default: {generate: {logit_bias: [[5, -100], [{text: " the"}, 2]], min_tokens: 3}}
answer: A
"""


def test_both_notations_say_the_same(load):
    text = 'model A = hf("m", presence_penalty = 0.5)\n'
    text += 'default generate(logit_bias = [[5, -100], [" the", 2]], min_tokens = 3)\nA'
    one, other = load({}, text), load({}, YAML, name="r.yaml")
    assert one.fingerprint == other.fingerprint
    assert asked(one)["logit_bias"] == ((5, -100.0), (" the", 2.0))


@pytest.mark.parametrize(
    "option",
    [
        "repetition_penalty = 0",
        "repetition_penalty = -1",
        "presence_penalty = 2.5",
        "frequency_penalty = -2.5",
        "logit_bias = [[5, 101]]",
        "logit_bias = [[-1, 1]]",
        "logit_bias = [[5, 1], [5, 2]]",
        'logit_bias = [["", 1]]',
        "logit_bias = [[99999, 1]]",
        "min_tokens = -1",
        "min_tokens = 9, max_tokens = 8",
    ],
)
@pytest.mark.parametrize("form", ["A({})", "default generate({})\nA", "sample(A, {}) -> vote()"])
def test_a_value_out_of_range_is_refused(mistakes, option, form):
    text = f'model A = hf("m")\n{form.format(option)}'
    assert [code for code, _ in mistakes({}, text)] == ["E402"]


@pytest.mark.parametrize("option", ["repetition_penalty = 0", "logit_bias = [[99999, 1]]"])
def test_a_declared_value_out_of_range_is_refused(mistakes, option):
    assert [c for c, _ in mistakes({}, f'model A = hf("m", {option})\nA')] == ["E402"]


def test_a_misspelt_option_is_refused_with_a_suggestion(mistakes):
    for text in (
        'model A = hf("m")\nA(repetition_penlty = 1)',
        'model A = hf("m", min_token = 1)\nA',
    ):
        assert [code for code, _ in mistakes({}, text)] == ["E203"]


def test_who_is_not_run_here_is_asked_for_nothing_that_it_cannot_honour(mistakes):
    text = 'model A = hf("m")\nmodel F = fake()\n'
    ((code, message),) = mistakes(
        {}, text + "default generate(presence_penalty = 1)\n[A, F] -> vote()"
    )
    assert (code, "`F`" in message) == ("E407", True)
    ((code, _),) = mistakes({}, text + "sample(F, min_tokens = 2) -> vote()")
    assert code == "E407"


def test_an_id_means_nothing_to_members_of_unlike_vocabularies(mistakes, load):
    models = 'model A = hf("m")\nmodel O = zoo("other")\n'
    fuse = models + "let f = token_fuse(A, O, align = union())\n"
    ((code, message),) = mistakes({}, fuse + "f(logit_bias = [[5, 1]])")
    assert (code, "`A`, `O`" in message) == ("E407", True)
    assert load({}, fuse + 'f(logit_bias = [["a", 1]])').check() == ()
    own = fuse.replace('zoo("other")', 'zoo("other", logit_bias = [[5, 1]])')
    assert load({}, own + "f").check() == ()


def test_a_text_that_is_no_token_is_refused_with_what_was_meant(mistakes):
    ((code, message),) = mistakes({}, 'model A = hf("m")\nA(logit_bias = [["no such token", 1]])')
    assert code == "E407"
    assert "'no such token'" in message


def test_the_folders_of_the_zoo_are_heeded_on_request():
    folder = Path(zoo.folder("maths"))
    assert stated_in(folder, None).settings() == {"max_tokens": 48}
