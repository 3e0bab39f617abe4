"""Write the pages that are made from the code: docs/reference.md and docs/errors.md.

    python docs/make.py

What they say stands in the docstrings of steps, parts and backends and in the table of codes;
a test says when the pages are stale.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from composer.backends import BACKENDS
from composer.cli.status import STATUSES
from composer.compiler.plan.explain import explain_backend, explain_part, explain_step
from composer.diagnostics import CODES
from composer.methods import TEMPLATES, parts
from composer.steps import STEPS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.compiler.plan.explain import Explanation

HERE = Path(__file__).parent
GROUPS = {
    "E1": "Words: what is written",
    "E2": "Names and options",
    "E3": "Ports and capabilities",
    "E4": "Values",
    "E5": "Files",
    "E6": "Planning",
    "E7": "Running",
    "E8": "Serving",
    "W": "Warnings",
}


def reference() -> str:
    """Return the page of steps, parts, templates and backends."""
    return "\n".join(_reference()) + "\n"


def errors() -> str:
    """Return the page of all codes."""
    return "\n".join(_errors()) + "\n"


def _reference() -> Iterator[str]:
    yield "# Reference"
    yield ""
    yield "Made from the code by `python docs/make.py`; the same is told by `compose explain`."
    yield ""
    yield "## Steps"
    for step in STEPS.values():
        if not step.sign:
            yield from _entry(explain_step(step))
    yield ""
    yield "## Parts"
    for kind, named in parts().items():
        yield ""
        yield f"### Of the kind `{kind}`"
        for part in named.values():
            yield from _entry(explain_part(kind, part), level=4)
    yield from _lists()
    yield ""
    yield "## Backends of models"
    for backend in BACKENDS.values():
        yield from _entry(explain_backend(backend))


def _lists() -> Iterator[str]:
    yield ""
    yield "## Templates"
    yield ""
    for name, template in TEMPLATES.items():
        yield from ("", f"### `{name}`", "", "```text", template.text.strip(), "```")


def _entry(about: Explanation, level: int = 3) -> Iterator[str]:
    brackets = f"({', '.join(about.brackets)})" if about.brackets else ""
    yield ""
    yield f"{'#' * level} `{about.name}{brackets}`"
    yield ""
    yield f"*{about.title[0].upper()}{about.title[1:]}.*" + (
        f" Paper: {about.paper}." if about.paper else ""
    )
    yield ""
    yield about.text
    if about.options:
        yield ""
        yield "| option | takes | default |"
        yield "|---|---|---|"
        for name, option in about.options.items():
            default = "required" if option.default is None else f"`{option.default}`"
            yield f"| `{name}` | {option.wants} | {default} |".replace("\n", " ")


def _errors() -> Iterator[str]:
    yield "# Codes"
    yield ""
    yield "Made from the code by `python docs/make.py`; `compose explain E301` tells one of them."
    yield from ("", "## Exit status", "", "| status | what it means |", "|---|---|")
    yield from (f"| {status} | {text} |" for status, text in STATUSES.items())
    yield ""
    yield "The code of an error decides, so one mistake has the same status in all verbs."
    for prefix, title in GROUPS.items():
        yield ""
        yield f"## {title}"
        for code, entry in CODES.items():
            if code.startswith(prefix):
                yield from ("", f"### {code}: {entry.title}", "", entry.text)
                yield from _example("Broken", entry.broken)
                yield from _example("Fixed", entry.mended)


def _example(title: str, text: str) -> Iterator[str]:
    if text:
        yield from ("", f"{title}:", "", "```text", text.strip("\n"), "```")


if __name__ == "__main__":
    (HERE / "reference.md").write_text(reference(), encoding="utf-8")
    (HERE / "errors.md").write_text(errors(), encoding="utf-8")
