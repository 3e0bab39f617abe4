"""What fusing over the wire costs beside the members' own serving, as a table.

    python benchmarks/wire.py [--step-ms 25] [--batch 1 16] [--tokens 32] [--data FOLDER]

Two small servers of the tests run on loopback, each in a process of its own; a step of a server
takes at least `--step-ms`, as one of a larger model would. `own` is the time a token when a server
writes answers by itself, `--batch` of them at once; the slower of the two counts. `ratio` is that
of the fused answers over it. `requests` are the HTTP requests a token of one answer for each
member: with a batch of 16, one request carries 16 prompts. `prompts` are those prompts a token.
Figures are medians over `--blocks`, in which all measures take turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import composer
from composer import zoo

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
from small_server import serving

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.run import Result
    from composer.run.ensemble import Ensemble

OPENINGS = (
    *("Once upon a time", "Lily and Ben", "The dog ran to", "One day a girl", "Tom had a red"),
    *("There was a cat", "Mum said to Tim", "In the park", "A big bird", "The sun was"),
    *("Sara liked to", "The boy saw a", "At night the", "A little fish", "Anna went", "Max is a"),
)

FUSES = {
    "chosen ids": "token_fuse(A, B)",
    "likeliest alone": "token_fuse(C, D)",
    "speculative(tokens = 4)": "token_fuse(A, B, draft = speculative(tokens = 4))",
    "safe(tokens = 4)": "token_fuse(A, B, draft = safe(tokens = 4))",
    "gate = unsure()": "token_fuse(A, B, gate = unsure())",
}


def main() -> None:
    """Measure, and print a table."""
    arguments = parsed()
    data = arguments.data
    names = ("stories260K", "stories260K-ft-shakespeare") if data else ("general-1", "general-2")
    folders = [data / "models" / name if data else zoo.folder(name) for name in names]
    with ExitStack() as stack:
        urls = [
            stack.enter_context(serving(folder, step_ms=arguments.step_ms)) for folder in folders
        ]
        head = declared(urls, folders)
        for batch in arguments.batch:
            queries = [OPENINGS[n % len(OPENINGS)] for n in range(batch)]
            ready = {
                name: stack.enter_context(recipe(head, step, arguments.tokens))
                for name, step in {"A": "A", "B": "B", **FUSES}.items()
            }
            table(ready, queries, urls, arguments.blocks)


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--step-ms", type=float, default=25.0)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--data", type=Path, help="a folder with stories260K in models/")
    return parser.parse_args()


def declared(urls: Sequence[str], folders: Sequence[Path]) -> str:
    """Declare two members, A and B by chosen ids, C and D by the likeliest tokens alone."""
    lines = []
    for name, n, chosen in (("A", 0, 128), ("B", 1, 128), ("C", 0, 0), ("D", 1, 0)):
        abilities = f"completions: true, top: 20, chosen: {chosen}, ids: true, prompt_ids: true"
        lines.append(
            f'model {name} = endpoint("{folders[n].name}", url = "{urls[n]}", probe = false, '
            f'api = completions, tokenizer = "{folders[n]}", template = plain, '
            f"abilities = [{abilities}, prompts: 64, usage: true], concurrency = 64)"
        )
    return "\n".join(lines) + "\n"


def recipe(head: str, step: str, tokens: int) -> Ensemble:
    """Make a recipe ready that writes so many tokens."""
    return composer.Recipe.load(f"default generate(max_tokens = {tokens})\n{head}{step}").ready()


def table(
    ready: Mapping[str, Ensemble], queries: Sequence[str], urls: Sequence[str], blocks: int
) -> None:
    """Print the figures of one batch."""
    figures: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ready}
    for ensemble in ready.values():
        list(ensemble.map(queries))
    for _ in range(blocks):
        for name, ensemble in ready.items():
            figures[name].append(measured(ensemble, queries, urls))
    own = max(statistics.median(ms for ms, _, _ in figures[name]) for name in ("A", "B"))
    print(f"\nbatch {len(queries)}: own {own:.1f} ms a token")
    print(f"{'':26}{'ms a token':>11}{'ratio':>8}{'requests':>10}{'prompts':>9}")
    for name in FUSES:
        ms, requests, prompts = map(statistics.median, zip(*figures[name], strict=True))
        print(f"{name:26}{ms:11.1f}{ms / own:8.2f}{requests:10.2f}{prompts:9.2f}")


def measured(
    ensemble: Ensemble, queries: Sequence[str], urls: Sequence[str]
) -> tuple[float, float, float]:
    """Answer once: milliseconds a token, and the most requests and prompts a token of a member."""
    for url in urls:
        asked(url, "DELETE")
    began = time.perf_counter()
    results = list(ensemble.map(queries))
    seconds = time.perf_counter() - began
    errors = [result.error for result in results if result.error]
    if errors:
        raise SystemExit(errors[0])
    written = list(map(tokens_of, results))
    stats = [asked(url) for url in urls]
    requests = max(each["requests"].get("/v1/completions", 0) for each in stats)
    prompts = max(each["prompts"] for each in stats)
    total = sum(written)
    return 1000 * seconds / max(written), requests / max(written), prompts / total


def tokens_of(result: Result) -> int:
    """Count the tokens of an answer: those that a fuse drew, else those that are billed."""
    drawn = sum(call.tokens for event in result.trace.events for call in event.asked)
    return drawn or sum(usage.completion_tokens for usage in result.members.values())


def asked(url: str, method: str = "GET") -> dict[str, dict[str, int]]:
    """Ask a server what it was asked."""
    request = urllib.request.Request(url.removesuffix("/v1") + "/stats", method=method)
    with urllib.request.urlopen(request) as reply:
        found: dict[str, dict[str, int]] = json.load(reply) if method == "GET" else {}
        return found


if __name__ == "__main__":
    main()
