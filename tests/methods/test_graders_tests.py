"""Programs are graded by the tests of their rows."""

from walled import limits

from composer.methods.graders.base import Submission
from composer.methods.graders.tests import Passing

FIELDS = {"test": "def check(f):\n    assert f(2) == 4\n    assert f(5) == 10", "name": "double"}


def test_a_program_is_right_when_it_passes_all_tests():
    script = {"text": "{{ fields.test }}\ncheck({{ fields.name }})"}
    grader = Passing.model_validate({"tests": script, "sandbox": limits()})
    right = Submission("```python\ndef double(x): return 2 * x\n```", (), "?", FIELDS)
    assert grader.measure(right).verdict == "right"
    wrong = grader.measure(Submission("def double(x): return x + 2", (), "?", FIELDS))
    assert wrong.verdict == "wrong"
    assert wrong.reason == "1 test of 2 passed; not `f(5) == 10`"
    assert not grader.compares
