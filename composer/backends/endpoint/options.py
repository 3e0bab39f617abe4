"""The options of `endpoint(...)`, checked: what a recipe says of a model behind a server."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from composer.backends.endpoint.abilities import Abilities
from composer.backends.endpoint.tokenizer_files import tokenizer_folder
from composer.diagnostics import did_you_mean
from composer.specs.declaration import Chat, Remote
from composer.specs.parts import ChatFile, Key, chosen_chat
from composer.values.card import Price
from composer.values.typed import MaybeModel, Variables

if TYPE_CHECKING:
    from pathlib import Path
    from urllib.parse import SplitResult

__all__ = ["OFFICIAL", "EndpointOptions"]

OFFICIAL = "https://api.openai.com/v1"
"""The address of a recipe that names none."""

OFFICIAL_KEY = "OPENAI_API_KEY"
"""The variable that holds the key of the official address, where the recipe names no other."""

PATHS = ("/chat/completions", "/completions", "/embeddings", "/models", "/responses")
"""What a client adds to an address itself."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class EndpointOptions(Remote):
    """The options of `endpoint(...)`, and what follows from them alone."""

    name: ClassVar[str] = "endpoint"

    model: str = Field(min_length=1)
    url: str | tuple[str, ...] = OFFICIAL
    key: Key | None = None
    api: Literal["auto", "chat", "completions"] = "auto"
    tokenizer: MaybeModel = None
    template: ChatFile | str = "auto"
    template_args: Variables = ()
    thinking: str | None = Field(default=None, min_length=1)
    abilities: Variables = ()
    probe: bool = True
    concurrency: int = Field(default=16, ge=1)
    requests_per_minute: Positive | None = None
    tokens_per_minute: Positive | None = None
    retries: int = Field(default=5, ge=0)
    deadline: Positive = 600.0
    idle: Positive = 300.0
    price: Price = None

    @field_validator("url")
    @classmethod
    def _checked(cls, url: str | tuple[str, ...]) -> str | tuple[str, ...]:
        """Check each address, and write it without a slash at its end."""
        if isinstance(url, str):
            return _address(url)
        if not url:
            raise ValueError("at least one address is needed")
        addresses = tuple(map(_address, url))
        if len(set(addresses)) < len(addresses):
            raise ValueError("one address is there twice")
        return addresses

    @field_validator("abilities")
    @classmethod
    def _known_abilities(cls, abilities: Variables) -> Variables:
        """Check the names of abilities, and the type of each value."""
        types = {field.name: str(field.type) for field in fields(Abilities)}
        for name, value in abilities:
            if name not in types:
                near = did_you_mean(name, types) or f"the abilities are {', '.join(types)}"
                raise ValueError(f"there is no ability `{name}`: {near}")
            flag = types[name] == "bool"
            if isinstance(value, bool) is not flag or not isinstance(value, int) or value < 0:
                wanted = "`true` or `false`" if flag else "a whole number of 0 or more"
                raise ValueError(f"`{name}` must be {wanted}, not `{json.dumps(value)}`")
        return abilities

    @model_validator(mode="after")
    def _template_has_tokenizer(self) -> Self:
        if self.tokenizer is None and (self.template != "auto" or self.template_args):
            raise ValueError(
                "`template` needs a `tokenizer`: without one, the server writes the prompts"
            )
        return self

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses in the order in which they are tried, each without a slash at its end."""
        return (self.url,) if isinstance(self.url, str) else self.url

    @property
    def key_variable(self) -> str | None:
        """The variable of the environment that holds the key; None for a server without one.

        Where the recipe names none, only OpenAI's own address is sent OpenAI's key.
        """
        if self.key is not None:
            return self.key.variable
        return OFFICIAL_KEY if self.addresses == (OFFICIAL,) else None

    @property
    def overrides(self) -> dict[str, int]:
        """The abilities that the recipe states, by name."""
        return {name: value for name, value in self.abilities if isinstance(value, int)}

    @property
    def folder(self) -> Path | None:
        """Where the tokenizer lies on this machine, None for one that is not here or not named."""
        return None if self.tokenizer is None else tokenizer_folder(self.tokenizer)

    def stated(self, abilities: Abilities) -> Abilities:
        """Return abilities with those in their place that the recipe states."""
        stated = self.overrides
        return Abilities(**(asdict(abilities) | stated)) if stated else abilities

    def by_chat(self, abilities: Abilities) -> bool:
        """Say whether the model is asked as a chat."""
        return self.api == "chat" or (self.api == "auto" and abilities.chat)

    @property
    def chat(self) -> Chat:
        """Which template of the tokenizer writes prompts here, where the server does not."""
        return chosen_chat(self.template, self.template_args)


def _address(text: str) -> str:
    """Return an address as requests use it; raises ValueError for one that is none."""
    try:
        parts = urlsplit(text.strip())
        parts.port  # noqa: B018 - raises for a port that is no number
    except ValueError:
        raise ValueError("its host or its port is none: a port is a number up to 65535") from None
    _check(parts, text)
    return text.strip().rstrip("/")


def _check(parts: SplitResult, text: str) -> None:
    """Raise ValueError for what an address may not hold."""
    if parts.username is not None or parts.password is not None:
        raise ValueError('it holds a user or a password: write `key = env("NAME")` instead')
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(
            f"`{text}` is no address: write it with http:// or https://, such as "
            f"`http://{_host(text)}/v1`"
        )
    if parts.query or parts.fragment:
        raise ValueError("an address has no `?` and no `#`: a key belongs into `key`")
    path = parts.path.rstrip("/")
    ending = next((each for each in PATHS if path.endswith(each)), None)
    if ending is not None:
        whole = text.strip().rstrip("/").removesuffix(ending)
        raise ValueError(f"leave out `{ending}`, which is added to each request: `{whole}`")


def _host(text: str) -> str:
    """Return what may be meant as the host of a text without a scheme."""
    rest = text.strip().rpartition("://")[2].split("/")[0]
    return rest if rest and " " not in rest else "localhost:8000"
