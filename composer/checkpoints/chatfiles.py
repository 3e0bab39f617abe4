"""The chat templates and special tokens that a model's folder holds, by its light files."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from composer.checkpoints.chat import ChatTemplate
from composer.diagnostics import did_you_mean
from composer.specs.json_files import read_json
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.specs.declaration import Chat

__all__ = ["chat_of", "chosen", "named", "special_tokens"]

_CONFIG = "tokenizer_config.json"
_OLD = "chat_template.json"
_FILE = "chat_template.jinja"
_MORE = "additional_chat_templates"


def chat_of(folder: Path, chat: Chat, name: str) -> ChatTemplate | None:
    """Return the template that a recipe's words choose; None for one that has none.

    Files that are unchanged are read and tried once.
    """
    wanted = (_CONFIG, _OLD, _FILE, "special_tokens_map.json", f"{_MORE}/*.jinja")
    files = sorted(path for pattern in wanted for path in folder.glob(pattern))
    if chat.file is not None:
        files.append(Path(chat.file))
    return _chat_of(
        folder, chat, name, tuple((str(file), file.stat().st_mtime_ns) for file in files)
    )


@lru_cache(maxsize=256)
def _chat_of(
    folder: Path, chat: Chat, name: str, _stamps: tuple[tuple[str, int], ...]
) -> ChatTemplate | None:
    text = chosen(_templates(folder), chat, name)
    if text is None and chat.args:
        message = f"{name} has no chat template, so `template_args` cannot be used"
        raise ModelError("E409", message, "leave them out, or choose a template")
    return None if text is None else ChatTemplate(text, name, special_tokens(folder), chat.args)


def chosen(templates: Mapping[str, str], chat: Chat, name: str) -> str | None:
    """Return the text of the template that a recipe's words choose among those there are."""
    if chat.file is not None:
        return read(Path(chat.file))
    if chat.plain or (chat.template == "auto" and not templates):
        return None
    others = [each for each in templates if each != "default"]
    if chat.template in ("auto", "chat"):
        if "default" in templates:
            return templates["default"]
        if not templates:
            raise ModelError(
                "E402",
                f"{name} has no chat template",
                'leave out `template`, or write `template = "plain"`',
            )
        listed = ", ".join(f"`{each}`" for each in others)
        message = f"{name} has several chat templates and no default: {listed}"
        raise ModelError("E409", message, f'choose one: `template = "{others[0]}"`')
    if chat.template not in templates:
        help_ = did_you_mean(chat.template, ["auto", "chat", "plain", *templates])
        raise ModelError("E409", f"{name} has no chat template `{chat.template}`", help_)
    return templates[chat.template]


def named(templates: object, name: str) -> dict[str, str]:
    """Return templates by name, from what a tokenizer holds: one text, or several with names."""
    if templates is None:
        return {}
    if isinstance(templates, str):
        return {"default": templates} if templates else {}
    if isinstance(templates, list):
        pairs = [_pair(each) for each in templates]
    else:
        pairs = list(templates.items()) if isinstance(templates, dict) else [None]
    if not all(pair and isinstance(pair[0], str) and isinstance(pair[1], str) for pair in pairs):
        message = f"the chat templates of {name} are not texts with names"
        raise ModelError("E505", message, "save the tokenizer again, or give a template in a file")
    return dict(pair for pair in pairs if pair)


def read(file: Path) -> str:
    """Read a template's file."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as problem:
        how = problem.strerror if isinstance(problem, OSError) else None
        message = f"cannot read the chat template `{file}`: {how or 'it is not text in UTF-8'}"
        raise ModelError("E505", message, "give a text file in UTF-8") from None


def _pair(entry: object) -> tuple[Any, Any] | None:
    return (entry.get("name"), entry.get("template")) if isinstance(entry, dict) else None


def _templates(folder: Path) -> dict[str, str]:
    """Return all templates of a folder; those in files of their own go before others."""
    templates: dict[str, str] = {}
    for name in (_OLD, _CONFIG):
        if (folder / name).is_file():
            templates |= named(read_json(folder / name).get("chat_template"), f"`{folder.name}`")
    if (folder / _FILE).is_file():
        templates["default"] = read(folder / _FILE)
    for file in sorted((folder / _MORE).glob("*.jinja")):
        templates[file.stem] = read(file)
    return templates


def special_tokens(folder: Path) -> dict[str, str]:
    """Return the special tokens that a template may name, such as `bos_token`, by that name."""
    tokens: dict[str, str] = {}
    for name in ("special_tokens_map.json", _CONFIG):
        content = read_json(folder / name) if (folder / name).is_file() else {}
        for key, value in content.items():
            text = value.get("content") if isinstance(value, dict) else value
            if key.endswith("_token") and isinstance(text, str):
                tokens[key] = text
    return tokens
