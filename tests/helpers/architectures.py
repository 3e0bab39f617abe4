"""Small random models of every causal architecture of the installed transformers."""

import inspect
from dataclasses import dataclass

import torch
import transformers
from fusing import Job, stored
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from composer.engine.engine import Engine
from composer.engine.rows.attention import BatchedAttention
from composer.engine.rows.recurrent import RecurrentStates
from composer.engine.rows.row import Feed
from composer.engine.rows.runner import Runner
from composer.engine.weights.local import LocalModel
from composer.values import Sampling

KINDS = sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
WINDOW = 40  # wider than the texts that a model is tried with when it is loaded
CONTEXT = 256
MOST = 40_000_000  # weights of a model that is small
WORDS = 97

_BY_SIZE = {
    WORDS: "vocab_size unpadded_vocab_size",
    32: "hidden_size d_model n_embd dim emb_dim embed_dim attention_hidden_size",
    4: "num_hidden_layers n_layer n_layers num_layers decoder_layers num_decoder_layers "
    "encoder_layers num_encoder_layers num_attention_heads n_head n_heads num_heads "
    "decoder_attention_heads encoder_attention_heads num_decoder_attention_heads "
    "num_encoder_attention_heads num_experts num_local_experts n_routed_experts moe_num_experts "
    "rotary_dim",
    2: "num_key_value_heads num_kv_heads num_experts_per_tok moe_topk moe_k",
    8: "head_dim mamba_n_heads mamba_d_head qk_rope_head_dim qk_nope_head_dim v_head_dim "
    "linear_key_head_dim linear_value_head_dim linear_head_dim hidden_size_per_layer_input",
    48: "intermediate_size ffn_dim d_ff n_inner dff d_inner decoder_ffn_dim encoder_ffn_dim "
    "ffn_hidden_size",
    16: "index_n_heads moe_intermediate_size shared_expert_intermediate_size kv_lora_rank "
    "q_lora_rank expert_ffn_hidden_size index_head_dim moe_shared_expert_intermediate_size",
    CONTEXT: "max_position_embeddings n_positions max_seq_len n_ctx max_target_positions",
    WINDOW: "sliding_window index_topk attention_chunk_size local_attention keep_window_size "
    "sliding_window_size attention_window_size window_size local_attention_window_len",
    1: "n_group topk_group bos_token_id",
    94: "eos_token_id",
    0: "pad_token_id",
}
SMALL = {name: size for size, names in _BY_SIZE.items() for name in names.split()}
SWITCHES = {"is_decoder": True, "use_sliding_window": True, "use_mamba_kernels": False}
_MLA = {"num_key_value_heads": 4}
_MIXED = {"layer_types": ["linear_attention", "full_attention"] * 2}
SPECIAL = {
    **dict.fromkeys(
        [
            "axk1",
            "axk2",
            "deepseek_v2",
            "deepseek_v3",
            "deepseek_v32",
            "glm4_moe_lite",
            "glm_moe_dsa",
            "longcat_flash",
            "minicpm3",
            "sarvam_mla",
            "youtu",
        ],
        _MLA,
    ),
    "bailing_hybrid": _MLA | _MIXED,
    "kimi_linear": _MLA | _MIXED | {"linear_num_heads": 4},
    "cohere_compass_text": {
        "rope_parameters": {
            kind: {"rope_type": "default", "rope_theta": 1e4}
            for kind in ("sliding_attention", "full_attention")
        }
    },
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "rope_theta": 1e4, "clip_qkv": 8},
        "ffn_config": {"ffn_hidden_size": 48},
    },
    "xlm": {"causal": True, "n_layers": 4},
    "zamba2": {"layers_block_type": ["linear_attention", "hybrid"] * 2, "n_mamba_heads": 8},
    "bamba": {"attn_layer_indices": [1, 3]},
    "deepseek_v4": {"num_key_value_heads": 1},
    "dots1": {"n_shared_experts": 1},
    "dots3_note_text": _MLA,
    "ernie4_5_moe": {"moe_k": 2},
    "gemma3n_text": {
        "num_kv_shared_layers": 0,
        "vocab_size_per_layer_input": WORDS,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "activation_sparsity_pattern": [0.0] * 4,
    },
    "gemma4_text": {"num_kv_shared_layers": 0, "vocab_size_per_layer_input": WORDS},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"] * 2},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "lfm2": {"layer_types": ["conv", "full_attention"] * 2},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"] * 2},
    "mamba2": {"num_heads": 8, "head_dim": 8, "n_groups": 2},
    "prophetnet": {"num_hidden_layers": 4},
    "qwen4_exp_text": {
        "indexer_n_heads": 2,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 8,
        "indexer_budget": WINDOW,
        "indexer_compress_ratio": 4,
        "ngram_vocab_size_base": 100,
    },
    "reformer": {
        "axial_pos_embds": False,
        "attn_layers": ["local", "lsh"] * 2,
        "attention_head_size": 8,
        "num_buckets": 4,
    },
    "zamba": {"num_key_value_heads": 4, "num_hidden_layers": 12},
    "xlstm": {"hidden_size": 128},
    "falcon_h1": {"mamba_d_ssm": 64},
    "zaya": {"num_experts_per_tok": 1},
    "xmod": {"default_language": "en_XX"},
}


_PADDED = "its `generate` counts positions from 0, its forward pass from behind the padding"
_TWO_WAYS = "it is not causal, so that what was read does not stay as it was"
NOTES = {
    **dict.fromkeys(
        [
            "camembert",
            "data2vec-text",
            "roberta",
            "roberta-prelayernorm",
            "xlm-roberta",
            "xlm-roberta-xl",
            "xmod",
        ],
        _PADDED,
    ),
    **dict.fromkeys(["cpmant", "xlm", "xlnet"], _TWO_WAYS),
    "moshi": "its cache drops what its forward pass, which has no window, still looks at",
    "prophetnet": "its cache and its forward pass count distances otherwise",
    "reformer": "it sorts tokens into buckets by the length of the text",
}


class Tokenizer:
    """What a model asks of its tokenizer when nothing is written or read."""

    bos_token_id = eos_token_id = chat_template = None

    @property
    def backend_tokenizer(self):
        from tokenizers import Tokenizer, models

        return Tokenizer(models.BPE({chr(33 + i): i for i in range(WORDS)}, []))


def config_of(kind):
    """A small configuration of an architecture."""
    made = CONFIG_MAPPING[kind]
    names = SMALL | SWITCHES | SPECIAL.get(kind, {})
    given = _taken(made, names)
    text = (made.sub_configs or {}).get("text_config")
    if text is not None:
        given["text_config"] = _taken(text, SMALL | SWITCHES | SPECIAL.get(f"{kind}_text", {}))
    config = made(**given)
    both = ["sliding_attention", "full_attention"] * 2
    types = set(getattr(config, "layer_types", None) or ())
    if types and types <= set(both) and getattr(config, "sliding_window", None):
        config = made(**given, layer_types=both) if "layer_types" not in given else config
    return config


def _taken(made, names):
    known = {*inspect.signature(made.__init__).parameters}
    known |= {*getattr(made, "__dataclass_fields__", ())}
    return {name: value for name, value in names.items() if name in known}


def random_model(kind):
    """A random model of an architecture; raises ValueError if there is no small one."""
    config = config_of(kind)
    with torch.device("meta"):
        meta = transformers.AutoModelForCausalLM.from_config(config)
    size = sum(weight.numel() for weight in meta.parameters())
    if size > MOST:
        raise ValueError(f"no small one: {size / 1e6:,.0f} million weights")
    torch.manual_seed(0)
    module = transformers.AutoModelForCausalLM.from_config(config_of(kind)).eval()
    module.requires_grad_(requires_grad=False)
    for config in (module.config.get_text_config(), module.generation_config):
        config.eos_token_id = None  # no answer ends by itself, or as a class wants it to
    module.generation_config.forced_eos_token_id = None
    module.generation_config.forced_bos_token_id = None
    return LocalModel(module, Tokenizer(), torch.device("cpu"), kind)


LENGTHS = 5, 17, 57  # the last one goes beyond every window
WRITTEN = 12
CUT = 5  # tokens of an answer after which rows are cut back and forked
CLOSE = 2e-4  # of the largest logit


@dataclass(frozen=True)
class Row:
    """How an architecture is read, whether it writes what `generate` does, and why not."""

    kind: str
    way: str
    equal: str
    why: str = ""

    def __str__(self):
        return f"| {self.kind} | {self.way} | {self.equal} | {self.why} |"


def row_of(kind):
    """Build an architecture, write with it, and compare."""
    try:
        model = random_model(kind)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is the reason
        return Row(kind, "not built", "", reason(error))
    texts = [[(7 * n + 3 + k) % (WORDS - 5) + 2 for n in range(m)] for k, m in enumerate(LENGTHS)]
    try:
        wanted = [generated(model, text) for text in texts]
    except Exception as error:  # noqa: BLE001
        return Row(kind, "not compared", "", f"`generate` itself fails: {reason(error)}")
    return compared(model, texts, wanted)


@torch.inference_mode()
def compared(model, texts, wanted):
    """Write with rows of unlike length, and compare with what `generate` wrote alone."""
    runner = Runner(model)
    why = [runner.alone or runner.padded or ""]
    equal = "yes"
    if written(model, texts) != [ids for ids, _ in wanted]:
        equal = "no"
    elif not unlike(runner, texts, wanted) <= CLOSE:
        equal = "tokens, not logits"
    if equal != "yes":
        why.append(NOTES.get(model.name, "the reason is not known"))
    return Row(model.name, way_of(runner), equal, "; ".join(each for each in why if each))


def reason(error):
    """The last line of what a library says, short enough for a table."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1].removeprefix("ValueError: ").strip().replace("|", "/")[:100]


@torch.inference_mode()
def generated(model, text):
    """What `generate` writes after a text alone: tokens, and logits before each."""
    made = model.module.generate(
        torch.tensor([text]),
        attention_mask=torch.ones(1, len(text), dtype=torch.long),
        do_sample=False,
        max_new_tokens=WRITTEN,
        pad_token_id=0,
        return_dict_in_generate=True,
        output_logits=True,
    )
    return made.sequences[0, len(text) :].tolist(), torch.cat(made.logits)[:, : model.width]


def written(model, texts):
    """What the engine writes when it is asked for all texts at once."""
    declared = stored(model.name, "A", "/nowhere")
    with Engine(loader=lambda *_: model) as engine:
        asked = [
            Job(declared, ((("user", said(t)),),), Sampling(max_tokens=WRITTEN)) for t in texts
        ]
        answers = [future.result(60) for future in [engine.generate(job) for job in asked]]
    return [[ord(token) - 33 for token in "".join(answer.tokens)] for answer in answers]


def said(ids):
    """Text of which each character is a token."""
    return "".join(chr(33 + n) for n in ids)


def unlike(runner, texts, wanted):
    """How far logits are from those of `generate` when rows are cut back and forked."""
    rows = [runner.rows.allocate() for _ in texts]
    runner.forward([Feed(row, text[:3], ()) for row, text in zip(rows, texts, strict=True)])
    whole = [[*text, *ids] for text, (ids, _) in zip(texts, wanted, strict=True)]
    logits = [each for _, each in wanted]
    worst = 0.0
    for n in range(WRITTEN):
        if n == CUT:
            rows.append(runner.rows.fork(rows[-1]))
            whole.append(whole[-1])
            logits.append(logits[-1])
            detour(runner, rows)
        feeds = [
            Feed(row, all_[row.length : len(all_) - WRITTEN + n], ())
            for row, all_ in zip(rows, whole, strict=True)
        ]
        for feed in feeds:
            feed.keep = [len(feed.ids) - 1]
        for found, each in zip(runner.forward(feeds), logits, strict=True):
            gap = (found - each[n]).abs().max() / each[n].abs().max()
            worst = max(worst, float(gap))
    return worst


def detour(runner, rows):
    """Read what is no part of the texts, and take it back with some of what was."""
    for row in rows:
        runner.rows.snapshot(row)
    lengths = [row.length for row in rows]
    runner.forward([Feed(row, [5, 6, 7, 8, 9][k:], ()) for k, row in enumerate(rows)])
    for k, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        runner.rows.crop(row, length - k % 2)


def way_of(runner):
    """How rows are read."""
    rows = runner.rows
    if isinstance(rows, BatchedAttention):
        return "packed" if rows.packs else "padded"
    if isinstance(rows, RecurrentStates):
        return "states"
    return {None: "apart", 1: "apart, token by token", 0: "apart, all again"}[rows.pace]


HEAD = """\
# Architectures

Does the architecture of your model work here, and can its texts share forward passes? Look it up in
the table. Nothing has to be configured: each model is tested when it is loaded, and is read in the
fastest way that gives correct logits ([how it runs](design.md)).

The table lists every causal architecture of transformers {version}: {built} of {all} could be built
and compared, and {equal} of these write the tokens of `generate`, with the same logits.

For the test, a small model with random weights and windows of {window} tokens reads rows of
{lengths} tokens. The rows are fed together, cut back and forked. The result is compared with
what `generate` writes for each text alone (greedy, float32). In the column "as `generate`", `yes`
means the same tokens and logits, and `no` means other tokens.

| read | architectures | how rows are read |
|---|---|---|
| packed | {packed} | the new tokens of all rows in one line, without padding |
| padded | {padded} | rows in one pass, padded to one length |
| states | {states} | rows of a recurrent model in one pass |
| apart | {apart} | row by row, each with a cache of its own |
| apart, token by token | | the same, and the cache takes one token at a time |
| apart, all again | | no cache is correct, so the whole text is read again at each step |

`COMPOSER_ACCEPT=1 pytest -m slow tests/checkpoints/test_architectures.py` makes this page. It can
be made in pieces (`-k part0`, to `-k part7`).

| architecture | read | as `generate` | why |
|---|---|---|---|
"""


def page(rows):
    """The page of the documentation that says how each architecture is read."""
    rows = sorted(rows, key=lambda row: row.kind)
    ways = [row.way for row in rows]
    built = [row for row in rows if row.equal]
    counts = {way: ways.count(way) for way in ("packed", "padded", "states")}
    head = HEAD.format(
        version=transformers.__version__,
        window=WINDOW,
        lengths=f"{', '.join(map(str, LENGTHS[:-1]))} and {LENGTHS[-1]}",
        all=len(rows),
        built=len(built),
        equal=sum(row.equal == "yes" for row in built),
        apart=sum(way.startswith("apart") for way in ways),
        **counts,
    )
    return head + "".join(f"{row}\n" for row in rows)


def rows_of(text):
    """The rows of a page."""
    lines = text.partition("|---|---|---|---|\n")[2].splitlines()
    return [Row(*(cell.strip() for cell in line.strip("|").split("|"))) for line in lines]
