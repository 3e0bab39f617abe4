"""Fields of the protocol that no answer here depends on, and those that only mean something else.

A request that has such a field with a value that changes nothing is read; with any other value it
is refused with the reason, since nothing that would change the answer is ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from composer.values.flow import JSON

__all__ = ["OTHER_FIELDS", "WITHOUT_EFFECT", "OtherField"]


@dataclass(frozen=True, slots=True)
class OtherField:
    """A field that is not honoured: why, and the values with which it asks for nothing."""

    reason: str
    neutral: tuple[JSON, ...] = ()

    def allows(self, value: JSON) -> bool:
        """Say whether a value asks for nothing."""
        return any(type(value) is type(each) and value == each for each in (None, *self.neutral))

    @property
    def schema(self) -> dict[str, JSON]:
        """What may stand there, for the description of the API."""
        return {"enum": [None, *self.neutral], "description": f"Not honoured: {self.reason}."}


WITHOUT_EFFECT = frozenset(
    {
        "user",
        "metadata",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "request_id",
        "parallel_tool_calls",
    }
)
"""Fields that by the protocol have no effect on an answer."""


NO, YES = False, True


def _fields(names: Iterable[str], reason: str, *neutral: JSON) -> dict[str, OtherField]:
    return dict.fromkeys(names, OtherField(reason, neutral))


OTHER_FIELDS: Mapping[str, OtherField] = {
    **_fields(("tools", "functions"), "no recipe calls tools", []),
    **_fields(("tool_choice", "function_call"), "no recipe calls tools", "none"),
    **_fields(("modalities",), "answers are texts", ["text"]),
    **_fields(("audio",), "answers are texts"),
    **_fields(("prediction",), "a recipe names its own drafts: `draft = ...`"),
    **_fields(("web_search_options",), "no recipe searches the web"),
    **_fields(
        ("reasoning_effort", "verbosity", "thinking", "reasoning"),
        "how long a model thinks or writes is what its recipe says",
    ),
    **_fields(("store",), "no request is stored", NO),
    **_fields(("suffix",), "no model here fills in before a suffix", ""),
    **_fields(("echo",), "only completions repeat their prompt", NO),
    **_fields(("add_special_tokens",), "a chat template writes all of a prompt", NO),
    **_fields(("best_of",), "write it into the recipe: `sample(A, 5) -> best(...)`", 1),
    **_fields(
        ("chat_template", "chat_template_kwargs", "documents"),
        "a recipe chooses the template of each model: `template = ...`, `template_args = ...`",
        {},
    ),
    **_fields(("include_stop_str_in_output",), "answers end before a stop string", NO),
    **_fields(
        ("skip_special_tokens", "spaces_between_special_tokens"),
        "special tokens are never text",
        YES,
    ),
    **_fields(("stop_token_ids", "bad_words"), "use `stop` or `logit_bias`", []),
    **_fields(("allowed_token_ids",), "use `logit_bias`"),
    **_fields(("use_beam_search", "early_stopping"), "answers are drawn, not searched", NO),
    **_fields(("length_penalty",), "answers are drawn, not searched", 1, 1.0),
    **_fields(("prompt_logprobs",), "use `echo` with `logprobs` of completions"),
    **_fields(("truncate_prompt_tokens",), "no prompt is cut; send a shorter one"),
    **_fields(
        ("guided_json", "guided_regex", "guided_choice", "guided_grammar", "structured_outputs"),
        "use `response_format` with a JSON schema",
    ),
    **_fields(("priority",), "requests are answered in the order in which they come", 0),
    **_fields(("logits_processors",), "no code of a request is run", []),
}
"""Fields of the protocol, of OpenAI or of vLLM, that are not honoured."""
