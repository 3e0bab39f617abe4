"""Models of the zoo, loaded and tried once a process: most tests only ask them something."""

import copy
import sys

from composer import zoo

FOLDERS = {str(zoo.folder(name)) for name in zoo.names()}
LOADED = {}
"""Models by the names that they were loaded under, their weights and their device."""

WAYS = {}
"""How the rows of the models in a folder are read, once that was tried."""


def share(monkeypatch):
    """Give ensembles copies of the models that were loaded before."""
    if "composer.engine.engine" not in sys.modules:
        return
    from composer.engine.rows.attention import BatchedAttention
    from composer.engine.rows.runner import Runner
    from composer.engine.weights import local

    load, choose = local.load, Runner._choose

    def copied(model, device="cpu"):
        if model.weights.location not in FOLDERS:
            return load(model, device)
        key = model.name, model.weights, str(device)
        if key not in LOADED:
            LOADED[key] = load(model, device)
        shared = LOADED[key]
        return copy.deepcopy(
            shared, {id(each): each for each in (shared.tokenizer, shared.vocabulary)}
        )

    def chosen(runner):
        where = runner.model.module.name_or_path
        if where in WAYS:
            runner.padded, packs = WAYS[where]
            return BatchedAttention(runner.model, packs=packs)
        rows = choose(runner)
        if where in FOLDERS and isinstance(rows, BatchedAttention):
            WAYS[where] = runner.padded, rows.packs
        return rows

    monkeypatch.setattr(local, "load", copied)
    monkeypatch.setattr(Runner, "_choose", chosen)
