"""The zoo as it ships: it loads, it answers, its items are held out."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest

from composer import zoo
from composer.backends.zoo import Zoo
from composer.fit.zoo.cards import read
from composer.fit.zoo.skills import HALVES, SKILLS, correct, split, stream

SHIPPED = [
    "general-1",
    "general-2",
    "large",
    "maths",
    "other",
    "text",
    "tune-maths",
    "tune-text",
]
ODD = (
    "naïve façade, e\u0301 and é",
    "日本語 and العربية",
    "🏳️‍🌈 \u200b\ufeff zero width",
    "tabs\tand\nlines\r\n",
    "\x00\x7f",
    "  two  spaces  ",
)


@pytest.fixture(scope="module")
def load():
    """Load a model and its tokenizer, each once."""
    torch = pytest.importorskip("torch")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    known = {}

    def loaded(name):
        if name not in known:
            model = AutoModelForCausalLM.from_pretrained(zoo.folder(name), dtype=torch.float32)
            known[name] = model.eval(), AutoTokenizer.from_pretrained(zoo.folder(name))
        return known[name]

    return loaded


@pytest.fixture(scope="module", params=["validation", "test"])
def rows(request):
    return request.param, read(zoo.items(request.param))


def test_eight_models_ship():
    assert zoo.names() == SHIPPED


def test_the_weights_of_a_model_are_found_without_looking_through_folders(monkeypatch):
    model = Zoo(model="general-1", adapter="maths-lora")
    found = model.weights
    monkeypatch.delattr(Path, "glob")
    assert model.weights == found


def test_the_models_take_at_most_sixteen_megabytes():
    files = [file for file in zoo.MODELS.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= 16_000_000


def test_an_unknown_name_is_answered_with_near_ones():
    with pytest.raises(zoo.UnknownModelError, match=r"did you mean `general-1`\?"):
        zoo.folder("general1")


def test_an_unknown_split_is_refused():
    with pytest.raises(LookupError, match="choose 'validation' or 'test'"):
        zoo.items("training")


@pytest.mark.parametrize("name", SHIPPED)
def test_weights_can_be_read_by_everyone(name):
    assert (zoo.folder(name) / "model.safetensors").stat().st_mode & 0o044 == 0o044


@pytest.mark.parametrize("name", SHIPPED)
def test_a_card_tells_size_and_accuracy(name):
    card = zoo.card(name)
    assert card["name"] == name
    assert card["bytes"] == (zoo.folder(name) / "model.safetensors").stat().st_size
    assert set(card["accuracy"]["test"]["skills"]) == set(SKILLS)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_folder_loads_and_ends_its_answer(name, load):
    model, tokens = load(name)
    assert model.config.max_position_embeddings >= 256
    assert answer(model, tokens, "What is the plural of boat?" if "text" in name else "3 + 4 = ?")


@pytest.mark.parametrize("name", ["general-1", "general-2", "maths", "large"])
def test_seventeen_plus_twenty_five(name, load):
    assert answer(*load(name), "What is 17 plus 25?") == "42"


@pytest.mark.parametrize("name", ["general-1", "other"])
@pytest.mark.parametrize("text", ODD)
def test_a_tokenizer_loses_no_text(name, text, load):
    _, tokens = load(name)
    assert tokens.decode(tokens(text, add_special_tokens=False)["input_ids"]) == text


@pytest.mark.parametrize("name", ["general-1", "other"])
def test_digits_are_split_singly(name, load):
    _, tokens = load(name)
    assert [piece for piece in tokens.tokenize("in 2026") if piece.isdigit()] == list("2026")


def test_the_two_tokenizers_share_no_ids(load):
    one, other = (load(name)[1].get_vocab() for name in ("general-1", "other"))
    same = [piece for piece in one if other.get(piece) == one[piece]]
    assert len(same) < 0.02 * len(one)


def test_a_conversation_is_written_as_turns(load):
    _, tokens = load("general-1")
    talk = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "3 + 4 = ?"},
        {"role": "assistant", "content": "7"},
        {"role": "user", "content": "4 + 4 = ?"},
    ]
    text = tokens.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
    assert text == "Be brief.\nQ: 3 + 4 = ?\nA: 7<eos>\nQ: 4 + 4 = ?\nA:"


def test_items_are_enough(rows):
    name, items = rows
    assert len(items) >= {"validation": 1_400, "test": 3_000}[name]


def test_items_are_well_formed(rows):
    _, items = rows
    assert len({item["id"] for item in items}) == len({item["query"] for item in items})
    for item in items:
        skill, half = item["tags"]
        assert skill in HALVES[half]
        assert item["reference"].strip() == item["reference"] != ""


def test_validation_items_record_every_model():
    for item in read(zoo.items("validation")):
        assert sorted(item["recorded"]) == SHIPPED
        for found in item["recorded"].values():
            assert found["correct"] == correct(found["text"], item["reference"])
            assert found["logprob"] <= 0 < found["completion_tokens"]


def test_test_items_record_nothing():
    assert not any("recorded" in item for item in read(zoo.items("test")))


def test_held_out_queries_never_occur_in_training():
    held_out = {item["query"] for name in ("validation", "test") for item in read(zoo.items(name))}
    seen = list(islice(stream(list(SKILLS), "train 1"), 20_000))
    assert held_out.isdisjoint(one.query for one in seen)
    assert {split(one.skill, one.content) for one in seen} == {"train"}


def test_cards_are_plain_json():
    for name in SHIPPED:
        assert json.loads((zoo.folder(name) / "card.json").read_text())["seed"] > 0


def answer(model, tokens, query):
    """A greedy answer through the chat template, as any user would ask."""
    chat = [{"role": "user", "content": query}]
    given = tokens.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt")
    given.pop("token_type_ids", None)
    ids = model.generate(**given, max_new_tokens=48, do_sample=False)[0]
    assert ids[-1] == tokens.eos_token_id
    return tokens.decode(ids[given["input_ids"].shape[1] : -1]).strip()
