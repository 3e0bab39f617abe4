"""`python -m composer.fit.zoo`: train models of the zoo, write its items and its cards."""

from __future__ import annotations

import argparse
from pathlib import Path

from composer import zoo
from composer.fit.zoo import adapters, cards, items, rewards, translators
from composer.fit.zoo.models import (
    ADAPTERS,
    RECIPES,
    REWARD_ADAPTERS,
    REWARDS,
    SHIPPED,
    TRANSLATORS,
)
from composer.fit.zoo.train import train


def main() -> None:
    """Read the command line and do what it asks."""
    parser = argparse.ArgumentParser(prog="python -m composer.fit.zoo", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    training = verbs.add_parser("train", help="train models, each on one thread")
    training.add_argument(
        "names",
        nargs="+",
        choices=[*RECIPES, *REWARDS, *ADAPTERS, *REWARD_ADAPTERS, *TRANSLATORS],
        metavar="NAME",
    )
    writing = verbs.add_parser("items", help="write the items, without recorded answers")
    judging = verbs.add_parser("cards", help="answer the items; write cards and records")
    judging.add_argument("names", nargs="*", default=list(SHIPPED), metavar="NAME")
    for verb in (training, judging):
        verb.add_argument("--models", type=Path, default=zoo.MODELS, help="folder of models")
    for verb in (training, judging):
        verb.add_argument("--rewards", type=Path, default=zoo.REWARDS, help="of reward models")
        verb.add_argument("--adapters", type=Path, default=zoo.ADAPTERS, help="of adapters")
        verb.add_argument("--translators", type=Path, default=zoo.TRANSLATORS)
    for verb in (writing, judging):
        verb.add_argument("--items", type=Path, default=zoo.ITEMS, help="folder of items")
    _do(parser.parse_args())


def _train(arguments: argparse.Namespace) -> None:
    for name in arguments.names:
        if name in REWARDS:
            rewards.train(name, arguments.models, arguments.rewards)
        elif name in ADAPTERS:
            adapters.train(name, arguments.models, arguments.adapters)
        elif name in REWARD_ADAPTERS:
            from composer.fit.zoo import reward_adapters  # it imports torch

            reward_adapters.train(name, arguments.rewards)
        elif name in TRANSLATORS:
            translators.train(name, arguments.translators)
        else:
            train(name, arguments.models)


def _do(arguments: argparse.Namespace) -> None:
    if arguments.verb == "train":
        _train(arguments)
    elif arguments.verb == "items":
        for split in items.QUOTAS:
            items.write(items.make(split), arguments.items / f"{split}.jsonl")
    elif set(arguments.names) <= set(REWARDS):
        rewards.evaluate(arguments.rewards, arguments.names)
    elif set(arguments.names) <= set(ADAPTERS):
        adapters.evaluate(arguments.models, arguments.adapters, arguments.items, arguments.names)
    elif set(arguments.names) <= set(TRANSLATORS):
        translators.evaluate(arguments.translators, arguments.items, arguments.names)
    else:
        cards.evaluate(arguments.models, arguments.items, arguments.names)
        print(cards.table(arguments.models, arguments.names))  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
