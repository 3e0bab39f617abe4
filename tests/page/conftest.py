"""A server of the page in this process, and a browser that looks at it."""

import json
import os
import shutil
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from composer.recipe import Recipe
from composer.serve.app import create_app
from composer.serve.lifecycle import Lifecycle, Stage
from composer.serve.served import Registry, ServedModel
from composer.serve.settings import Settings

CHROMIUM = "/usr/bin/chromium"

WATCH = """
    window.problems = [];
    document.addEventListener("securitypolicyviolation", (event) => {
        window.problems.push(`${event.violatedDirective} ${event.blockedURI}`);
    });
"""
"""Run before the page's own scripts: it notes what the page's policy has refused."""


def _registry(recipes):
    models = {name: ServedModel(name, each, each.ready()) for name, each in recipes.items()}
    return Registry(models)


def _close(registry):
    for served in registry.models.values():
        served.ensemble.close()


@pytest.fixture(scope="session")
def registry():
    paths = ("token/average", "after/majority")
    made = _registry({path.rpartition("/")[2]: Recipe.load(path) for path in paths})
    yield made
    _close(made)


@pytest.fixture
def app(registry):
    return create_app(registry, Settings(), Lifecycle(Stage.READY))


@contextmanager
def _serving(app):
    """Serve an application on a free port of this machine; gives its address."""
    uvicorn = pytest.importorskip("uvicorn")
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="session")
def serving():
    return _serving


FUSE = """
use "zoo.ens" (general, general_2, maths)
example "What is the plural of fox?"
token_fuse(general, general_2, maths, weights = [0.5, 0.3, 0.2])
"""

ODD = """
model plain = fake(says = "<script>alert(1)</script> <b>bold</b> & 'quotes'")
model chinese = fake(says = "你好 世界。🎉👩‍👩‍👧 日本語のテキスト")
model arabic = fake(says = "مرحبا بالعالم (1 + 2) שלום עולם")
example "Say something odd."
[plain, chinese, arabic] -> vote(ties = first())
"""

SLOW = """
model sleepy = fake(says = "done", seconds = 60)
example "Wait."
sleepy
"""

FAILING = """
model broken = fake(fails = true)
example "2 + 2?"
broken
"""

MADE = {"fuse": FUSE, "odd": ODD, "slow": SLOW, "failing": FAILING}


def _made(folder, name, text):
    path = folder / f"{name}.ens"
    path.write_text(text, encoding="utf-8")
    return Recipe.load(path)


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The address of a server with a recipe of each kind."""
    folder = tmp_path_factory.mktemp("recipes")
    shutil.copy(Path(__file__).parents[2] / "recipes" / "zoo.ens", folder)
    shipped = {
        "route": "route/knn",
        "blend": "mission",
        "vote": "after/majority",
        "cascade": "cascade/confidence",
        "sample": "after/self_consistency",
        "union": "token/unite",
    }
    recipes = {name: Recipe.load(path) for name, path in shipped.items()}
    recipes |= {name: _made(folder, name, text) for name, text in MADE.items()}
    made = _registry(recipes)
    with _serving(create_app(made, Settings(), Lifecycle(Stage.READY))) as address:
        yield address
    _close(made)


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not Path(CHROMIUM).exists():
        pytest.skip(f"there is no browser at {CHROMIUM}")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, site):
    """Open the page in a window of its own, and check in the end that nothing went wrong in it."""
    windows = []

    def open_page(path="/", *, width=1280, theme="light", address=site, **options):
        height = 900 if width > 600 else 844
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=theme,
            permissions=["clipboard-read", "clipboard-write"],
            **options,
        )
        context.add_init_script(WATCH)
        page = context.new_page()
        window = {"page": page, "context": context, "address": address, "log": [], "urls": []}
        page.on("console", lambda message: window["log"].append((message.type, message.text)))
        page.on("pageerror", lambda error: window["log"].append(("error", str(error))))
        page.on("request", lambda request: window["urls"].append(request.url))
        windows.append(window)
        page.goto(address + path)
        return page

    yield open_page
    for window in windows:
        problems = window["page"].evaluate("window.problems")
        window["context"].close()
        assert problems == []
        own = (window["address"], f"blob:{window['address']}")
        assert [url for url in window["urls"] if not url.startswith(own)] == []
        errors = [text for kind, text in window["log"] if kind in {"error", "warning"}]
        unexpected = [
            text for text in errors if "the server responded with a status of" not in text
        ]
        assert unexpected == []


@pytest.fixture
def pictures(tmp_path):
    """Where screenshots are kept: `COMPOSER_PICTURES` names a folder to look at them."""
    folder = Path(os.environ.get("COMPOSER_PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def long_site(tmp_path_factory):
    """A server of two models that write on for 2,000 tokens."""
    from composer.zoo import MODELS

    folder = tmp_path_factory.mktemp("long")
    for name in ("general-1", "general-2"):
        shutil.copytree(MODELS / name, folder / name)
        config = json.loads((folder / name / "config.json").read_text(encoding="utf-8"))
        config["max_position_embeddings"] = 4096
        (folder / name / "config.json").write_text(json.dumps(config), encoding="utf-8")
    text = """
        model one = hf("general-1", generation_config = false)
        model two = hf("general-2", generation_config = false)
        let both = token_fuse(one, two, weights = [0.6, 0.4])
        example "Begin at 8, add 4, add 5."
        both(max_tokens = 2000, min_tokens = 2000, temperature = 1.1)
    """
    made = _registry({"long": _made(folder, "long", text)})
    with _serving(create_app(made, Settings(), Lifecycle(Stage.READY))) as address:
        yield address
    _close(made)
