"""Positions, the outline, findings, and texts that are broken."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from composer.editor.buffer import Buffer, position
from composer.editor.completion import completion
from composer.editor.definition import definition
from composer.editor.findings import findings
from composer.editor.hover import hover
from composer.editor.symbols import symbols
from composer.editor.tidy import tidied

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").rglob("*.ens"))


@pytest.mark.parametrize(("encoding", "units"), [("utf-8", 6), ("utf-16", 4), ("utf-32", 3)])
def test_positions_count_in_the_units_of_the_encoding(put, encoding, units):
    buffer, offset = put('A\n"😀x‸"')
    assert position(buffer.source, offset, encoding) == (1, units)
    assert buffer.offset(1, units, encoding) == offset


def test_line_breaks_of_other_systems_are_plain(put):
    buffer, _ = put("A\r\nB\rC")
    assert buffer.source.text == "A\nB\nC"


def test_a_position_beyond_the_text_is_its_end(put):
    buffer, _ = put("A -> B\n")
    assert buffer.offset(0, 99) == 6
    assert buffer.offset(9, 0) == 7


def test_the_outline_names_what_the_statements_name(put):
    buffer, _ = put('use "zoo.ens" (A)\nparam k: int = 3\nlet s = sample(A, k)\ns -> vote()\n')
    found = [(each.name, each.kind) for each in symbols(buffer)]
    assert found == [("zoo.ens", "use"), ("k", "param"), ("s", "let"), ("answer", "answer")]


def test_a_broken_statement_leaves_the_others_alone(put):
    buffer, _ = put('use "zoo.ens" (A)\nlet x = (A\nmodel B = fake()\n[A, B] -> ')
    assert set(buffer.scope.names) == {"A", "B"}


def test_findings_are_those_of_check(used):
    (found,) = findings(used("[A, B]")[0])
    assert (found.code, found.severity, found.place.text) == ("E304", "error", "[A, B]")
    assert "help: choose one" in found.message
    assert found.explanation


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("[A, B] -> voet()", "vote"),
        ("[A, B] -> vote(bye = exact)", "by"),
        ('use "zo.ens" (E)\nA', '"zoo.ens"'),
        ('model E = zoo("mathz")\nE', ""),
        ("[A, B]", ""),
    ],
)
def test_the_word_that_was_meant_mends_the_one_that_is_blamed(used, text, mended):
    assert findings(used(text)[0])[0].mended == mended


def test_notes_become_other_places(used):
    (found,) = findings(used("let x = A\nlet x = B\nx")[0])
    assert [note.place.text for note in found.notes] == ["x"]


def test_a_mistake_of_a_used_file_stands_at_its_use(tmp_path):
    (tmp_path / "bad.ens").write_text("let x = (\n", encoding="utf-8")
    buffer = Buffer(tmp_path / "open.ens", 'use "bad.ens" (x)\nx\n')
    found = findings(buffer)[0]
    assert found.place.text == '"bad.ens"'
    assert found.notes[0].place.source.name.endswith("bad.ens")


def test_a_text_that_was_never_saved_is_checked(tmp_path):
    assert not findings(Buffer(tmp_path / "new.ens", 'use "zoo.ens" (A)\nA\n'))


def test_every_answer_survives_every_cut(put):
    """A recipe is cut off at random, and asked everywhere near the cut."""
    draw = random.Random(7)
    for path in draw.sample(RECIPES, 8):
        text = path.read_text(encoding="utf-8")
        for _ in range(6):
            end = draw.randrange(len(text))
            buffer = Buffer(path, text[:end] + draw.choice(["", "(", '"', '"""', "= [", "-> |"]))
            for offset in (end, max(end - 3, 0), draw.randrange(end + 1)):
                completion(buffer, offset)
                hover(buffer, offset)
                definition(buffer, offset)
            assert isinstance(list(symbols(buffer)), list)
            findings(buffer)


def test_torch_is_never_imported():
    code = (
        "import sys; from pathlib import Path\n"
        "from composer.editor.buffer import Buffer\n"
        "from composer.editor.completion import completion\n"
        "from composer.editor.findings import findings\n"
        "from composer.editor.hover import hover\n"
        "from composer.editor.schema import schema\n"
        "b = Buffer(Path('recipes/open.ens'), 'use \"zoo.ens\" (A)\\nA -> vote(')\n"
        "completion(b, 28), hover(b, 19), findings(b), schema()\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


YAML = """
use: {file: zoo.ens, names: [A, B]}
let: {both: [[A, B]]}
answer: [both, {vote: {by: exact}}]
"""


def test_yaml_is_answered_by_the_word(put):
    buffer, _ = put(YAML, ROOT / "recipes" / "open.yaml")
    assert findings(buffer) == ()
    assert "takes Candidates" in hover(buffer, YAML.index("vote") + 1)[0]
    assert "an agreement" in hover(buffer, YAML.index("exact") + 1)[0]
    assert definition(buffer, YAML.rindex("both") + 1).text == "both"
    assert definition(buffer, YAML.index("B]")).source.name.endswith("zoo.ens")
    assert {each.label for each in completion(buffer, YAML.rindex("both"))[0]} == {"A", "B", "both"}


def test_broken_yaml_is_survived(put):
    for end in range(0, len(YAML), 5):
        buffer, _ = put(YAML[:end], ROOT / "recipes" / "open.yaml")
        hover(buffer, end)
        completion(buffer, end)
        definition(buffer, max(end - 2, 0))
        assert list(symbols(buffer)) is not None
        findings(buffer)


def test_formatting_gives_canonical_text_of_what_is_sound(used):
    assert tidied(used("[A,B]->vote( )")[0]).endswith("[A, B] -> vote()\n")
    assert tidied(used("[A,B]->vote(")[0]) is None
