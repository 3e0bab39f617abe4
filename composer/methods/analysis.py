"""What a judge writes about several answers to one question, read out of its reply."""

from __future__ import annotations

import json

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from composer.methods.json_schema import json_in
from composer.methods.mistakes import PartError
from composer.sandbox.meter import SizedValue

__all__ = ["ANALYSIS", "SCHEMA", "Analysis", "analysis_in"]

ANALYSIS = "analysis"
"""The fact under which candidates keep their analysis, and its name in templates."""

LONGEST = 200_000
"""Characters of a reply that are read; a longer one is refused."""


class Findings(BaseModel):
    """The JSON that is asked of a judge: five lists of sentences, of which some may be missing."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    consensus: list[str] = []
    contradictions: list[str] = []
    partial_coverage: list[str] = []
    unique_insights: list[str] = []
    blind_spots: list[str] = []

    @field_validator("*", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        """Take one sentence for a list of one, and null for none: judges write both."""
        if value is None:
            return []
        return [value] if isinstance(value, str) else value


KEYS = tuple(Findings.model_fields)
"""What an analysis may say, in this order."""

_SENTENCES = {"type": "array", "items": {"type": "string"}}
SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": dict.fromkeys(KEYS, _SENTENCES),
        "required": list(KEYS),
        "additionalProperties": False,
    }
)
"""The JSON Schema that a judge is held to, where its server can do that."""


class Analysis(SizedValue):
    """Five lists of sentences about several answers; written out, the sentences under headings.

    It is false where it says nothing.
    """

    __slots__ = ("findings",)

    def __init__(self, findings: Findings | None = None) -> None:
        self.findings = findings or Findings()

    def __getattr__(self, name: str) -> list[str]:
        if name not in KEYS:
            raise AttributeError(name)
        sentences: list[str] = getattr(self.findings, name)
        return sentences

    def __bool__(self) -> bool:
        return any(getattr(self, key) for key in KEYS)

    def __str__(self) -> str:
        return "\n\n".join(
            "\n".join([f"{key.replace('_', ' ').capitalize()}:", *(f"- {each}" for each in said)])
            for key, said in self.as_dict().items()
            if said
        )

    @property
    def length(self) -> int:
        """How many characters it is written out."""
        return len(str(self))

    def as_dict(self) -> dict[str, list[str]]:
        """Return the lists by their names."""
        return self.findings.model_dump()


def analysis_in(reply: str) -> Analysis:
    """Read an analysis out of a judge's reply, which may have words or a code fence around it.

    Raises PartError (E701) where there is no such object, or one of its lists is not of sentences.
    """
    if len(reply) > LONGEST:
        raise _unreadable(f"it has {len(reply):,} characters, and at most {LONGEST:,} are read")
    for (candidate,) in json_in(reply):
        if isinstance(candidate, dict) and any(key in candidate for key in KEYS):
            try:
                return Analysis(Findings.model_validate(candidate))
            except ValidationError as error:
                place = ".".join(str(part) for part in error.errors()[0]["loc"])
                raise _unreadable(f"`{place}` must be a sentence or a list of sentences") from None
    raise _unreadable("it has no JSON object with any of these keys: " + ", ".join(KEYS))


def _unreadable(why: str) -> PartError:
    return PartError(
        "E701",
        f"no analysis could be read from the judge's reply: {why}",
        "use a model that can write JSON, or raise `max_tokens` of `analyse`",
    )
