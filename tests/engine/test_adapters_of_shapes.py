"""Adapters that peft has made, of a model with transposed weights and of a recurrent one."""

import shutil
import warnings
from pathlib import Path

import pytest
import torch
from fusing import Job, checkpoint
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, GPT2Config, RwkvConfig

from composer import zoo
from composer.engine.engine import Engine
from composer.engine.weights.donors import Donor
from composer.values import Sampling

TOKENS = {"vocab_size": 384, "bos_token_id": 0, "eos_token_id": 1}
SHAPES = {
    "transposed": (
        GPT2Config(n_embd=32, n_layer=3, n_head=4, **TOKENS),
        ["c_attn", "c_fc"],
        True,
    ),
    "recurrent": (
        RwkvConfig(hidden_size=32, num_hidden_layers=2, attention_hidden_size=32, **TOKENS),
        ["key", "receptance", "head"],
        False,
    ),
}


def made(folder, config, targets):
    """Write a base, an adapter of it, and the base with it merged by peft."""
    with warnings.catch_warnings(action="ignore"):
        import peft

        torch.manual_seed(0)
        module = AutoModelForCausalLM.from_config(config)
        for weight in module.parameters():
            if weight.ndim > 1:
                torch.nn.init.normal_(weight, std=0.2)
        module.save_pretrained(folder / "base")
        model = peft.get_peft_model(module, peft.LoraConfig(r=3, target_modules=targets))
        for name, tensor in model.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(tensor, std=0.4)
        model.save_pretrained(str(folder / "adapter"), save_embedding_layers=False)
        model.merge_and_unload().save_pretrained(folder / "merged")
    general = Path(zoo.folder("general-1"))
    for file in (*general.glob("tokenizer*"), *general.glob("*.jinja")):
        shutil.copy(file, folder / "base")
        shutil.copy(file, folder / "merged")


def answers(engine, *models):
    """Answers to one question, of which all begin in one step."""
    job = [Job(m, [(("user", "Add 17 and 25."),)], Sampling(max_tokens=8)) for m in models]
    tasks = [engine.task(each, None) for each in job]
    engine.begin(tasks)
    return [task.future.result().text for task in tasks]


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_an_adapter_is_read_as_peft_merges_it(tmp_path, shape):
    config, targets, mixed = SHAPES[shape]
    made(tmp_path, config, targets)
    base, adapter, merged = (tmp_path / name for name in ("base", "adapter", "merged"))
    with Donor(base, adapter).open() as tensors:
        for name, tensor in load_file(merged / "model.safetensors").items():
            torch.testing.assert_close(tensors.read(name), tensor, rtol=1e-6, atol=1e-6)
    plain, adapted = checkpoint("b", base), checkpoint("a", base, adapter=str(adapter))
    with Engine() as engine:
        together = answers(engine, plain, adapted)
        assert engine._pool.runners()[0].mixed is mixed
        assert together == [*answers(engine, plain), *answers(engine, checkpoint("m", merged))]
    assert together[0] != together[1]
