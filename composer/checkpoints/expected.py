"""Whether a folder's weights are those of the class that its configuration names.

`check` reads this from the headers and the source of the installed transformers; what it leaves
open, the loader says when the model is loaded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from composer.checkpoints.blueprint import CONFIG, Blueprint
from composer.checkpoints.constructor import Source
from composer.checkpoints.installed import classes_of, heads, package_of, source_text, values_of
from composer.diagnostics.amounts import counted
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from composer.specs.headers import TensorHeader

__all__ = ["linear_layers", "loadable", "loaded_otherwise", "mismatched", "unlike"]

SHOWN = 4
"""The names of tensors that an error shows."""

WRAPPED = re.compile(r"^((?:_orig_mod|module|_forward_module|_fsdp_wrapped_module)\.)+")
OLD = ("inv_freq", "position_ids", "masked_bias", "causal_mask", "attn.bias", "attention.bias")
"""Ends of the names of tables that older versions stored, and that are made anew today."""


@dataclass(frozen=True)
class Plan:
    """What a class reads: its tensors, and how names in a file may differ from them.

    `converted` says that some are made out of tensors of other names.
    """

    kind: str
    tensors: Blueprint
    base: str
    tied: frozenset[str]
    passed: tuple[str, ...]
    converted: bool


def loadable(kind: str) -> bool:
    """Say whether the installed transformers reads a model type as a causal language model."""
    return not heads() or kind in heads()


def loaded_otherwise(
    folder: Path, kind: str, info: Mapping[str, Collection[Any]], *, quantized: bool
) -> ModelError | None:
    """Return the error of a model whose loader took other tensors than it needs."""
    odd = [name for name in info["unexpected_keys"] if not name.endswith(OLD)]
    wrong = [
        f"{name} ({_size(here)} instead of {_size(there)})"
        for name, here, there in info["mismatched_keys"]
    ]
    return mismatched(folder, kind, info["missing_keys"], [] if quantized else odd, wrong)


def unlike(
    kind: str, config: Mapping[str, object], stored: Mapping[str, TensorHeader]
) -> tuple[str, list[str], list[str], list[str]] | None:
    """Return the class, and which tensors are missing, unexpected, and of another shape.

    None where the installed transformers has no such class for causal language models. Where it
    makes some tensors out of those of other names, less is claimed.
    """
    plan = _plan(kind, config, len(stored) + 1)
    if plan is None:
        return None
    matched = {_matched(name, plan): each for name, each in stored.items()}
    missing = [
        name
        for name, each in plan.tensors.tensors.items()
        if each.required and name not in matched and name not in plan.tied
    ]
    odd = [name for name in matched if not plan.tensors.knows(name) and not _passed(name, plan)]
    wrong = [
        f"{name} ({_size(matched[name].shape)} instead of {_size(each.shape)})"
        for name, each in plan.tensors.tensors.items()
        if each.shape is not None and name in matched and matched[name].shape != each.shape
    ]
    if plan.converted:
        unwrapped = [name for name in odd if not WRAPPED.match(name)]
        places = set(map(_place, unwrapped))
        claimed = missing if 2 * len(unwrapped) < len(matched) else []
        missing, wrong = [name for name in claimed if _place(name) not in places], []
        odd = [name for name in odd if WRAPPED.match(name)]
    return plan.kind, missing, odd, wrong


def linear_layers(
    kind: str, config: Mapping[str, object], stored: Mapping[str, TensorHeader]
) -> dict[str, TensorHeader]:
    """Return the matrices of the linear layers inside a model, by their names in its class.

    The output layer, which lies beside the model, is none of them. Nothing is returned where the
    installed transformers has no such class, or builds its layers out of tensors of other names.
    """
    plan = _plan(kind, config, len(stored) + 1)
    if plan is None:
        return {}
    matched = {_matched(name, plan): each for name, each in stored.items()}
    known = plan.tensors.tensors
    inside = (name for name in matched if name in known and name.count(".") > 1)
    return {name: matched[name] for name in inside if known[name].linear}


def _place(name: str) -> str:
    """Return the number of a tensor's layer, nothing for one that is in none."""
    return next((part for part in name.split(".") if part.isdecimal()), "")


def mismatched(
    folder: Path, kind: str, missing: Collection[str], odd: Collection[str], wrong: Collection[str]
) -> ModelError | None:
    """Return the error that says so; None where nothing is missing, too many or unlike."""
    sentences = [
        f"lacks {_listed(missing)}" if missing else "",
        f"contains {_listed(odd)}, which this kind of model does not use" if odd else "",
        f"has {_listed(wrong)}" if wrong else "",
    ]
    if not any(sentences):
        return None
    text = f"the weights in `{folder}` do not match the model type {kind}: the folder "
    return ModelError("E505", text + ", and ".join(filter(None, sentences)), _advice(missing, odd))


def _advice(missing: Collection[str], odd: Collection[str]) -> str:
    wrapped = next((found.group() for name in odd if (found := WRAPPED.match(name))), None)
    if missing and wrapped:
        return f"remove `{wrapped}` from the names: save the model that is inside of the wrapper"
    if odd and not missing:
        return (
            "write the class that has these tensors into config.json, or save the model without "
            "them"
        )
    return "download or save the model again, with the config.json that it was trained with"


def _listed(names: Collection[str]) -> str:
    some = sorted(names, key=_in_order)[:SHOWN]
    more = len(names) - len(some)
    return f"{counted(len(names), 'tensor')}: {', '.join(some)}" + (
        f" and {more} more" if more else ""
    )


def _in_order(name: str) -> list[tuple[int, str]]:
    """Let layer 10 come after layer 9."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in name.split(".")]


def _size(shape: Iterable[int]) -> str:
    return " x ".join(map(str, shape)) or "one number"


def _matched(name: str, plan: Plan) -> str:
    """Return a file's name for a tensor as the class has it: under its base model or without."""
    for each in (name, f"{plan.base}.{name}", name.removeprefix(f"{plan.base}.")):
        if plan.tensors.knows(each):
            return each
    return name


def _passed(name: str, plan: Plan) -> bool:
    return name.endswith(OLD) or any(re.search(each, name) for each in plan.passed)


def _plan(kind: str, config: Mapping[str, object], most: int) -> Plan | None:
    """Return what the class for a model type reads, with a configuration."""
    name = heads().get(kind)
    alike = (each for each, other in heads().items() if other == name)
    files = (f"models/{at}/modeling_{at}.py" for at in map(package_of, (kind, *alike)))
    classes = next(
        (file_classes for file in files if name in (file_classes := classes_of(file))), None
    )
    if name is None or classes is None:
        return None
    values = values_of(kind, config)
    source = Source(classes, values, most)
    prefix, tied = source.constant(name, "base_model_prefix"), source.constant(name, TIED)
    passed = source.constant(name, "_keys_to_ignore_on_load_unexpected")
    untied = values.get("tie_word_embeddings") is False
    return Plan(
        name,
        source.made(name, [CONFIG], {}),
        str(prefix),
        frozenset()
        if untied
        else frozenset(map(str, tied if isinstance(tied, dict | list) else ())),
        tuple(map(str, passed if isinstance(passed, list) else ())),
        _converted(kind, name),
    )


TIED = "_tied_weights_keys"


def _converted(*names: str) -> bool:
    """Say whether a model's tensors are made of those of other names when it is loaded."""
    return any(f'"{name}"' in source_text("conversion_mapping.py") for name in names)
