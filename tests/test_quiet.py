"""No library is heard by who uses us, and nobody else's warnings and log lines are touched."""

import json
import logging
import os
import shutil
import subprocess
import sys
import threading
import warnings

import pytest

from composer import zoo
from composer.quiet import aloud, attend, quiet

NOISY = 'model A = hf("m", generation_config = false)\nmodel B = zoo("general-2")\n'
CHANGED = {
    "config.json": {"rope_scaling": {"type": "linear", "factor": 2.0, "strange": 1}},
    "generation_config.json": {"temperature": 0.5, "top_p": 0.2},
    "tokenizer_config.json": {"tokenizer_class": "LlamaTokenizer", "model_max_length": 2},
}
ROWS = [{"query": f"Add {n} and 4.", "reference": "7"} for n in range(4)]


@pytest.fixture
def folder(tmp_path):
    """A recipe beside a model that its library has a lot to say of, and rows."""
    shutil.copytree(zoo.folder("general-1"), tmp_path / "m")
    for name, change in CHANGED.items():
        file = tmp_path / "m" / name
        file.write_text(json.dumps(json.loads(file.read_text()) | change))
    (tmp_path / "r.ens").write_text(
        NOISY + 'example "Add 3 and 4."\n[A(max_tokens = 4), B] -> vote()'
    )
    (tmp_path / "f.ens").write_text(NOISY + "route(by = linear(c = 1e6)) -> [A(max_tokens = 4), B]")
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    return tmp_path


def said(folder, *command, **environment):
    """Run a command in a process of its own; what stands on stderr."""
    ended = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return ended.stderr


WORDS = ("Warning", "warn(", "transformers", "deprecated", "it/s", "%|", "Traceback", "sklearn")


@pytest.mark.parametrize(
    "verb",
    [
        ("run", "r.ens", "--no-cache"),
        ("check", "r.ens"),
        ("plan", "r.ens"),
        pytest.param(("eval", "r.ens", "--data", "d.jsonl"), marks=pytest.mark.slow),
        pytest.param(("fit", "f.ens", "--data", "d.jsonl"), marks=pytest.mark.slow),
        pytest.param(("doctor",), marks=pytest.mark.slow),
    ],
    ids=lambda verb: verb[0],
)
def test_no_verb_lets_a_library_speak(folder, verb):
    text = said(folder, "-m", "composer", *verb)
    assert not [word for word in WORDS if word in text], text


FACE = """
import logging, warnings
logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
before = list(logging.root.handlers), logging.root.level
import composer
with composer.load("r.ens").ready() as ensemble:
    ensemble("Add 3 and 4.")
logging.getLogger("mine").info("a line")
warnings.warn("a warning")
import transformers
transformers.utils.logging.get_logger("transformers.mine").warning("asked for")
assert transformers.utils.logging.is_progress_bar_enabled()
assert (list(logging.root.handlers), logging.root.level) == before
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "handed_on",
    [
        pytest.param("false", marks=pytest.mark.slow, id="own handlers"),
        pytest.param("true", id="the root's"),
    ],
)
def test_the_face_of_python_is_silent_and_leaves_others_alone(folder, handed_on):
    lines = said(folder, "-c", FACE, CI=handed_on).splitlines()
    assert lines[0] == "mine: a line"
    assert "UserWarning: a warning" in lines[1]
    assert lines[-1].endswith("asked for")
    assert len(lines) <= 4


def test_a_warning_inside_is_no_error_where_others_make_errors_of_them(silencing):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with quiet():
            warnings.warn("of a library", stacklevel=1)
        with pytest.raises(UserWarning), quiet(), aloud():
            warnings.warn("of ours", stacklevel=1)


def test_other_threads_are_heard(silencing):
    heard = []

    def other():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warnings.warn("of another thread", stacklevel=1)
        heard.extend(caught)

    with quiet():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert [str(each.message) for each in heard] == ["of another thread"]


def test_filters_of_others_are_as_they_were(silencing):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        attend()
        theirs = [each for each in warnings.filters if type(each[3]).__name__ != "_Inside"]
        with quiet():
            pass
        assert [e for e in warnings.filters if type(e[3]).__name__ != "_Inside"] == theirs
        assert len(warnings.filters) == len(theirs) + 1


def test_log_lines_of_libraries_are_dropped_inside_alone(capsys):
    lines = []
    handler = logging.StreamHandler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = logging.getLogger("transformers")
    logger.addHandler(handler)
    try:
        with quiet():
            logger.warning("inside")
        logger.warning("outside")
    finally:
        logger.removeHandler(handler)
    assert lines == ["outside"]
