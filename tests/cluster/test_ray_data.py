"""Ray Data reads, answers and writes files with the class of this package."""

import json

import pytest

import composer
from composer.cluster.answering import Answering

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]

RECIPE = 'use "zoo.ens" (A, B)\n[A(max_tokens = 4), B(max_tokens = 4)] -> vote()'


@pytest.fixture(scope="module")
def data():
    ray = pytest.importorskip("ray", reason="needs the extra `ray`")
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=200 << 20)
    pytest.importorskip("ray.data", reason="needs the extra `ray`")
    yield ray.data
    ray.shutdown()


def test_a_file_is_answered_as_in_one_process(data, tmp_path):
    questions = [f"{n} + 3" for n in range(40)]
    rows = [{"id": f"q{n}", "query": text} for n, text in enumerate(questions)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    answered = data.read_json(str(tmp_path / "in.jsonl"), lines=True).map_batches(
        Answering,
        fn_constructor_args=[RECIPE],
        compute=data.ActorPoolStrategy(size=1),
        batch_size=16,
    )
    answered.write_json(str(tmp_path / "out"))
    written = {}
    for file in (tmp_path / "out").glob("*.json"):
        for line in file.read_text().splitlines():
            row = json.loads(line)
            written[row["id"]] = row["answer"], row["error"]
    with composer.load(RECIPE).ready() as ensemble:
        assert written == {
            row["id"]: (result.answer, "")
            for row, result in zip(rows, ensemble.map(rows), strict=True)
        }
