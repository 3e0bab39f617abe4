"""Small random models with heads as wide as vLLM wants them."""

import shutil

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from composer import zoo

LIGHT = ("card.json", "config.json", "model.safetensors")


def wide_model(folder, seed):
    """Write a random model with heads of 64 and the tokenizer of the zoo; return its folder."""
    shutil.copytree(zoo.folder("general-1"), folder, ignore=shutil.ignore_patterns(*LIGHT))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=384,
                hidden_size=128,
                intermediate_size=256,
                num_hidden_layers=2,
                num_attention_heads=2,
                max_position_embeddings=512,
                initializer_range=0.3,  # so that few next tokens are likely, as of a trained model
                bos_token_id=None,
                eos_token_id=1,
                pad_token_id=0,
                tie_word_embeddings=True,
            )
        )
    module.generation_config.max_new_tokens = 24
    module.save_pretrained(folder)
    return folder
