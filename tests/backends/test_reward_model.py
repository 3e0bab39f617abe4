"""Reward models: tiny ones that are made here, held against transformers' own forward passes."""

import json
import math
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from composer import zoo
from composer.backends.reward_model import RewardModel
from composer.backends.reward_network import RewardNetwork, judged
from composer.checkpoints.reward_heads import reward_head
from composer.diagnostics import Mistakes
from composer.evaluate import evaluate, read_rows
from composer.recipe import Recipe
from composer.run import Failure
from composer.values import ModelError, Query
from tests import golden
from tests.helpers.lora import save_adapter, save_merged

HERE = Path(__file__).parent
SIZES = {
    "vocab_size": 384, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 96,
    "eos_token_id": 1, "pad_token_id": 0, "bos_token_id": None,
}  # fmt: skip
QUERY = Query.of("Start with 7, add 5, times 2.")
ASKED = "Q: Start with 7, add 5, times 2.\nA:"
TEXTS = ["7+5=12\n12*2=24\nanswer 24", "7+5=12\n12*2=26\n", "7+5=13", "17"]


def made(path, kind, labels=1, **config):
    """Write a model with random weights of a class, and the zoo's tokenizer."""
    torch.manual_seed(3)
    config = transformers.LlamaConfig(**SIZES, num_labels=labels, **config)
    model = getattr(transformers, kind)(config)
    with torch.no_grad():
        for each in model.parameters():
            each.add_(torch.randn_like(each) * 0.3)
    model.save_pretrained(path)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(zoo.folder("maths") / name, path / name)
    return path


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """One folder for each kind of reward model."""
    root = tmp_path_factory.mktemp("rewards")
    return {
        "answer": made(root / "answer", "LlamaForSequenceClassification"),
        "steps": made(root / "steps", "LlamaForTokenClassification", 2),
        "words": made(root / "words", "LlamaForCausalLM"),
    }


@pytest.fixture(scope="module")
def tokens():
    return transformers.AutoTokenizer.from_pretrained(zoo.folder("maths"))


def network(folder, **options):
    return RewardNetwork(RewardModel(path=str(folder), **options), "R")


def rewards(folder, texts=TEXTS, **options):
    judged = network(folder, **options).judged([(QUERY, text) for text in texts])
    return [each.reward for each in judged]


def test_an_answer_is_rewarded_at_its_last_token(folders, tokens):
    model = transformers.LlamaForSequenceClassification.from_pretrained(folders["answer"])
    ids = [tokens(f"{ASKED} {text}<eos>\n", return_tensors="pt").input_ids for text in TEXTS[:1]]
    theirs = [model(input_ids=each).logits.item() for each in ids]
    assert rewards(folders["answer"], TEXTS[:1]) == pytest.approx(theirs, abs=1e-4)


def test_steps_are_rewarded_at_their_ends(folders, tokens):
    model = transformers.LlamaForTokenClassification.from_pretrained(folders["steps"])
    ids = tokens(f"{ASKED} {TEXTS[0]}\n", return_tensors="pt").input_ids
    shares = model.eval()(input_ids=ids).logits.softmax(-1)[0, :, 1]
    ends = [at for at, one in enumerate(ids[0].tolist()) if tokens.decode([one]) == "\n"][-3:]
    (judged,) = network(folders["steps"]).judged([(QUERY, TEXTS[0])])
    assert judged.steps == pytest.approx(shares[ends].tolist(), abs=1e-4)
    assert judged.reward == judged.steps[-1]
    assert judged.tokens == ids.shape[1]


def test_two_words_give_a_reward(folders, tokens):
    model = transformers.LlamaForCausalLM.from_pretrained(folders["words"])
    ids = tokens(f"{ASKED} 7+5=12 ?", return_tensors="pt").input_ids
    both = tokens.convert_tokens_to_ids(["+", "-"])
    share = model(input_ids=ids).logits[0, -1, both].softmax(-1)[0].item()
    how = {"good": "+", "bad": "-", "step_end": " ?", "between": "\n"}
    assert rewards(folders["words"], ["7+5=12"], **how) == pytest.approx([share], abs=1e-4)


def test_what_is_read_between_steps_comes_after_their_end(folders):
    how = {"good": "+", "bad": "-", "step_end": " ?", "between": "\n"}
    loaded = network(folders["words"], **how)
    ids = loaded.read(QUERY, TEXTS[0]).ids
    text = loaded.tokens.vocabulary.bytes_of(ids).decode()
    assert text == f"{ASKED} 7+5=12 ?\n12*2=24 ?\nanswer 24 ?"


@pytest.mark.parametrize("kind", ["answer", "steps"])
def test_a_reward_does_not_depend_on_others_in_its_batch(folders, kind):
    together = rewards(folders[kind])
    alone = [rewards(folders[kind], [text])[0] for text in TEXTS]
    assert together == pytest.approx(alone, abs=1e-5)
    assert rewards(folders[kind], batch=1) == pytest.approx(alone, abs=1e-5)


def test_rewards_of_steps_become_one(folders):
    (judged,) = network(folders["steps"]).judged([(QUERY, TEXTS[0])])
    for how, value in {
        "last": judged.steps[-1],
        "min": min(judged.steps),
        "mean": sum(judged.steps) / 3,
        "product": math.prod(judged.steps),
    }.items():
        assert rewards(folders["steps"], TEXTS[:1], steps=how) == pytest.approx([value], abs=1e-6)


def test_a_shared_beginning_is_read_once(folders, monkeypatch):
    loaded = network(folders["steps"])
    read, forward = [], RewardNetwork._forward
    monkeypatch.setattr(
        RewardNetwork,
        "_forward",
        lambda self, rows, mask, past: (
            read.append(sum(map(len, rows))) or forward(self, rows, mask, past)
        ),
    )
    judged = loaded.judged([(QUERY, text) for text in ("7+5=12\n12*2=24", "7+5=12\n12*2=25")])
    assert len(read) == 2
    assert sum(read) < sum(each.tokens for each in judged) / 1.5


def test_text_spells_no_special_tokens(folders):
    loaded = network(folders["steps"])
    assert 1 not in loaded.read(QUERY, "7+5=12<eos>\n<eos>").ids


def test_an_empty_answer_has_a_reward(folders):
    assert all(map(math.isfinite, rewards(folders["steps"], ["", "\n\n"])))


def test_a_head_of_two_layers_is_read(folders, tmp_path):
    folder = made(tmp_path / "deep", "LlamaForTokenClassification", 2)
    file = folder / "model.safetensors"
    weights = load_file(file)
    torch.manual_seed(5)
    head = torch.nn.Sequential(torch.nn.Linear(32, 32), torch.nn.ReLU(), torch.nn.Linear(32, 2))
    weights = {name: each for name, each in weights.items() if not name.startswith("score")}
    weights |= {f"score.{name}": each for name, each in head.state_dict().items()}
    save_file(weights, file, {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config |= {"architectures": ["LlamaForProcessRewardModel"]}
    (folder / "config.json").write_text(json.dumps(config))
    loaded = network(folder)
    assert torch.equal(loaded.module.score[2].weight, head[2].weight)
    assert 0 < loaded.judged([(QUERY, TEXTS[0])])[0].reward < 1


def test_too_long_an_answer_is_refused_by_name(folders):
    with pytest.raises(ModelError, match=r"and the context of `R` is 96") as error:
        rewards(folders["steps"], ["7+5=12\n" * 20])
    assert error.value.code == "E703"


def test_a_language_model_needs_two_words():
    with pytest.raises(ModelError, match="gives words, not rewards"):
        reward_head(zoo.folder("maths"), words=False)
    assert reward_head(zoo.folder("maths"), words=True) == "words"


@pytest.fixture
def recipe(folders, tmp_path):
    """Load a recipe with a reward model of a kind, and see its mistakes."""

    def make(kind, options=""):
        folder = folders.get(kind, kind)
        options = f", {options}" if options else ""
        return Recipe.load(f"""
            model R = reward_model("{folder}"{options})
            model A = fake(says = "7+5=12")
            model B = fake(says = "7+5=13")
            [A, B] -> rank(by = reward(R)) -> best()
        """)

    return make


def mistake(load, *paths):
    """Return the message and the help of a mistake, without the lines of the recipe."""
    with pytest.raises(Mistakes) as error:
        load()
    lines = str(error.value).split("\n")
    text = "\n".join(line for line in lines if line.startswith(("error", "  = help")))
    for path in paths:
        text = text.replace(str(path), "FOLDER")
    return text


def test_the_best_of_n_is_the_one_with_the_greatest_reward(folders, recipe):
    with recipe("steps").ready() as ensemble:
        result = ensemble("Start with 7, add 5.")
    values = {
        text: network(folders["steps"]).judged([(Query.of("Start with 7, add 5."), text)])[0].reward
        for text in ("7+5=12", "7+5=13")
    }
    assert result.answer == max(values, key=values.get)


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        ("steps_of_an_answer", "answer", 'steps = "min"'),
        ("no_rewards", "words", ""),
        ("words_of_a_classifier", "steps", 'good = "+", bad = "-"'),
        ("one_word", "words", 'good = "+"'),
    ],
)
def test_a_model_that_gives_no_reward_is_refused_before_it_is_loaded(
    name, kind, options, recipe, folders
):
    text = mistake(lambda: recipe(kind, options).plan(), *folders.values())
    golden.check(HERE / "golden" / f"reward_{name}.txt", text)


RULE = """
model R = reward_model("{}")
model A = fake(says = "7+5=13")
model B = fake(says = "7+5=12")
cascade(A, B, accept = rewarded(by = R) > {})
"""


def test_a_rule_reads_the_reward(folders):
    query = "Start with 7, add 5."
    (judged,) = network(folders["steps"]).judged([(Query.of(query), "7+5=13")])
    for limit, answer in ((judged.reward - 0.001, "7+5=13"), (judged.reward + 0.001, "7+5=12")):
        recipe = Recipe.load(RULE.format(folders["steps"].as_posix(), limit))
        with recipe.ready() as ensemble:
            assert ensemble(query).answer == answer


def test_eval_counts_what_a_reward_model_reads(folders, recipe, tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text('{"query": "Start with 7, add 5.", "reference": "7+5=12"}\n')
    report = evaluate(recipe("steps"), read_rows(file))
    assert report.accuracy in {0, 1}
    assert report.calls["R"] == 1
    assert report.prompt_tokens > 40


def test_a_reward_that_is_no_number_is_an_error_by_name(folders, tmp_path):
    folder = shutil.copytree(folders["answer"], tmp_path / "broken")
    weights = load_file(folder / "model.safetensors")
    weights["score.weight"] = weights["score.weight"] * math.nan
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    text = f"""
    model R = reward_model("{folder.as_posix()}")
    model A = fake(says = "1")
    model B = fake(says = "2")
    [A, B] -> rank(by = reward(R)) -> best()
    """
    with Recipe.load(text).ready() as ensemble, pytest.raises(Failure) as error:
        ensemble("Why?")
    golden.check(HERE / "golden" / "reward_not_a_number.txt", str(error.value))


def test_weights_without_a_head_are_refused_at_check(folders, tmp_path):
    folder = shutil.copytree(folders["answer"], tmp_path / "headless")
    weights = load_file(folder / "model.safetensors")
    del weights["score.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    text = f"""
    model R = reward_model("{folder.as_posix()}")
    model A = fake(says = "1")
    [A, A] -> rank(by = reward(R)) -> best()
    """
    written = mistake(lambda: Recipe.load(text).ready(), folder)
    golden.check(HERE / "golden" / "reward_headless.txt", written)


def test_other_labels_than_a_reward_has_are_refused(tmp_path):
    folder = made(tmp_path / "three", "LlamaForSequenceClassification", 3)
    with pytest.raises(ModelError, match="has 3 labels, and a reward for an answer needs 1 label"):
        reward_head(folder, words=False)


def test_several_heads_give_several_rewards_in_one_pass(tmp_path, tokens):
    folder = made(tmp_path / "four", "LlamaForSequenceClassification", 4)
    model = transformers.LlamaForSequenceClassification.from_pretrained(folder)
    ids = tokens(f"{ASKED} {TEXTS[0]}<eos>\n", return_tensors="pt").input_ids
    theirs = model(input_ids=ids).logits[0].tolist()
    (judged,) = network(folder, heads=4).judged([(QUERY, TEXTS[0])])
    assert judged.heads == pytest.approx(theirs, abs=1e-4)
    assert judged.reward == pytest.approx(sum(theirs) / 4, abs=1e-4)
    text = f"""
    model R = reward_model("{folder.as_posix()}", heads = 4)
    model A = fake(says = "{TEXTS[0]!r}")
    [A, A] -> rank(by = reward(rewards(R, across = minimum))) -> best()
    """
    with Recipe.load(text).ready() as ensemble:
        result = ensemble("Start with 7, add 5, times 2.")
    assert result.members["R"].calls == 1


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_heads_are_as_many_as_the_recipe_says(tmp_path, heads):
    folder = made(tmp_path / "three", "LlamaForSequenceClassification", 3)
    with pytest.raises(ModelError, match="has 3 labels") as error:
        RewardModel(path=str(folder), heads=heads).card()
    assert "`heads = 3`" in error.value.help


def test_heads_are_of_whole_answers(folders):
    with pytest.raises(ModelError, match="`heads` is for a classifier of whole answers"):
        RewardModel(path=str(folders["steps"]), heads=2).card()


def moved(folder, path, seed):
    """Copy a model; its weights move a little."""
    shutil.copytree(folder, path)
    weights = load_file(path / "model.safetensors")
    torch.manual_seed(seed)
    moved = {name: each + 0.1 * torch.randn_like(each) for name, each in weights.items()}
    save_file(moved, path / "model.safetensors", {"format": "pt"})
    return path


WARM = """
model R1 = reward_model("{}")
model R2 = reward_model("{}")
model A = fake(says = "{}")
[A, A] -> rank(by = reward(merge(R1, R2))) -> best()
"""


def test_a_merge_of_reward_models_is_one_head_and_all(folders, tmp_path, tokens):
    pair = [moved(folders["answer"], tmp_path / f"{at}", at) for at in (1, 2)]
    one, other = (load_file(each / "model.safetensors") for each in pair)
    model = transformers.LlamaForSequenceClassification.from_pretrained(pair[0])
    model.load_state_dict({name: (one[name] + other[name]) / 2 for name in one})
    ids = tokens(f"{ASKED} 17<eos>\n", return_tensors="pt").input_ids
    with Recipe.load(WARM.format(*(each.as_posix() for each in pair), "17")).ready() as ensemble:
        result = ensemble(QUERY.text)
    call = next(call for event in result.trace.events for call in event.asked if "R1" in call.model)
    assert float(call.text.split(",")[0]) == pytest.approx(model(ids).logits.item(), abs=1e-3)


def test_reward_models_with_unlike_heads_are_not_merged(folders, tmp_path):
    four = made(tmp_path / "four", "LlamaForSequenceClassification", 4)
    text = WARM.format(folders["answer"].as_posix(), four.as_posix(), "17")
    text = text.replace(f'"{four.as_posix()}"', f'"{four.as_posix()}", heads = 4')
    with pytest.raises(Mistakes, match=r"`score\.weight` is 1 x 32 in one and 4 x 32 in the other"):
        Recipe.load(text).plan()


@pytest.fixture(scope="module")
def adapters(folders, tmp_path_factory):
    """Two adapters of one classifier, each with a head of its own."""
    root = tmp_path_factory.mktemp("adapters")
    base, whole = folders["answer"], ["score"]
    return [save_adapter(base, root / f"{at}", at, whole=whole) for at in (1, 2)]


def with_head(folder, adapter):
    """Put the head of an adapter into a merged model."""
    weights = load_file(folder / "model.safetensors")
    head = load_file(adapter / "adapter_model.safetensors")["base_model.model.score.weight"]
    save_file(weights | {"score.weight": head}, folder / "model.safetensors", {"format": "pt"})
    return folder


def test_an_adapter_gives_the_rewards_of_the_merged_model(folders, adapters, tmp_path):
    for at, adapter in enumerate(adapters):
        merged = with_head(save_merged(folders["answer"], adapter, tmp_path / f"{at}"), adapter)
        theirs = rewards(merged)
        assert rewards(folders["answer"], adapter=str(adapter)) == pytest.approx(theirs, abs=1e-3)


@pytest.fixture
def sharing(folders, adapters):
    """The networks of the base alone and of both adapters, which share one trunk."""
    owner = object()
    how = [{}, *({"adapter": str(adapter)} for adapter in adapters)]
    path = str(folders["answer"])
    return [RewardNetwork(RewardModel(path=path, **each), "R", owner) for each in how]


def test_adapters_of_one_base_share_it_and_its_passes(sharing, monkeypatch):
    assert len({id(each.trunk) for each in sharing}) == 1
    alone = [each.judged([(QUERY, text) for text in TEXTS]) for each in sharing]
    passes, forward = [], RewardNetwork._forward
    monkeypatch.setattr(
        RewardNetwork,
        "_forward",
        lambda self, *a: passes.append(len(a[0])) or forward(self, *a),
    )
    jobs = [(each, each.read(QUERY, text)) for each in sharing for text in TEXTS]
    together = judged(jobs)
    assert passes == [12]
    values = [each.reward for rows in alone for each in rows]
    assert [each.reward for each in together] == pytest.approx(values, abs=1e-4)
    assert len({round(each.reward, 3) for each in together}) == len(jobs)


def test_a_language_model_with_an_adapter_rewards_answers(adapters, tmp_path):
    base = zoo.folder("maths")
    adapter = save_adapter(base, tmp_path / "lora", 3)
    with pytest.raises(ModelError, match="has no layer that gives a reward: no `score`"):
        RewardModel(path=str(base), adapter=str(adapter)).card()
    file = adapter / "adapter_model.safetensors"
    torch.manual_seed(1)
    head = {"base_model.model.score.weight": torch.randn(1, 96)}
    save_file(load_file(file) | head, file, {"format": "pt"})
    assert RewardModel(path=str(base), adapter=str(adapter)).card().capabilities
    values = rewards(base, adapter=str(adapter))
    model = transformers.AutoModelForCausalLM.from_pretrained(
        save_merged(base, adapter, tmp_path / "merged"), dtype=torch.float32
    )
    names = transformers.AutoTokenizer.from_pretrained(base)
    ids = names(f"{ASKED} {TEXTS[3]}<eos>\n", return_tensors="pt").input_ids
    hidden = model.base_model(ids).last_hidden_state[0, -1]
    assert values[3] == pytest.approx(
        (head["base_model.model.score.weight"] @ hidden).item(), abs=1e-2
    )


def test_adapters_that_are_opened_at_one_time_stay_apart(folders, tmp_path):
    base, owner = folders["answer"], object()
    made = [save_adapter(base, tmp_path / f"{at}", at, whole=["score"]) for at in range(4)]
    declared = [RewardModel(path=str(base), adapter=str(each)) for each in made]
    with ThreadPoolExecutor(len(made)) as pool:
        networks = list(pool.map(lambda each: RewardNetwork(each, "R", owner), declared))
    assert sorted(each.adapter for each in networks) == [1, 2, 3, 4]
