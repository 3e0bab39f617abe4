"""Folders of published benchmarks become rows; other folders, and half ones, are refused."""

import json

import benchmark_files
import pytest

from composer.data import BadRow, Unreadable, read


def lines(path):
    return list(read(path))


def test_llmrouterbench_takes_the_newest_run_and_no_demo(tmp_path):
    rows = lines(benchmark_files.llmrouterbench(tmp_path))

    assert len(rows) == 6
    first = rows[0]
    assert (first.benchmark, first.facts) == ("LLMRouterBench", {"dataset": "sums"})
    assert (first.content["query"], first.content["reference"]) == ("Question: sums 0", "0")
    assert (first.content["tags"], first.content["split"]) == (["sums"], "test")
    assert first.content["recorded"]["big"] == {
        "text": "big says 0",
        "score": 1.0,
        "cost": 0.4,
        "prompt_tokens": 15,
        "completion_tokens": 5,
    }
    assert list(rows[4].content["recorded"]) == ["big", "mid"]


def test_a_run_of_llmrouterbench_may_lack_names_that_its_path_has(tmp_path):
    bench = benchmark_files.llmrouterbench(tmp_path)
    path = bench / "words" / "test" / "mid" / "20250102_100000.json"
    run = json.loads(path.read_text())
    path.write_text(json.dumps({key: run[key] for key in ("performance", "records")}))

    assert len(lines(bench)) == 6
    (alone,) = lines(path)
    assert "no `dataset_name`" in alone.content.message
    assert "results/bench/<dataset>" in alone.content.help


def test_what_differs_between_two_runs_of_one_cell_is_named(tmp_path):
    bench = benchmark_files.llmrouterbench(tmp_path)
    path = bench / "words" / "test" / "mid" / "20250102_100000.json"
    other = bench / "words" / "test" / "again" / "20250102_100000.json"
    other.parent.mkdir()
    run = json.loads(path.read_text())
    run["records"][1]["score"] = 1.0
    other.write_text(json.dumps(run))

    bad = [line for line in lines(bench) if isinstance(line.content, BadRow)]

    assert "the `score` of `mid` differs" in bad[0].content.message
    assert bad[0].file.endswith("again/20250102_100000.json") or bad[0].file.endswith(path.name)


def test_a_folder_around_the_published_one_is_no_benchmark(tmp_path):
    benchmark_files.llmrouterbench(tmp_path / "down" / "here" / "and" / "there")

    with pytest.raises(Unreadable, match="not one of a published benchmark"):
        read(tmp_path)


def test_a_row_of_a_list_on_one_line_is_shown(tmp_path):
    path = tmp_path / "rows.json"
    path.write_text('[{"query": "a"}, {"global_index": "A_1", "prediction": ""}, {"query": "c"}]')

    bad = next(line for line in read(path) if isinstance(line.content, BadRow))

    assert bad.text == '{"global_index": "A_1", "prediction": ""}, {"query": "c"}]'


def test_a_damaged_run_is_named_with_its_file(tmp_path):
    bench = benchmark_files.llmrouterbench(tmp_path)
    path = bench / "words" / "test" / "mid" / "20250102_100000.json"
    path.write_text(path.read_text()[:100])

    bad = next(line for line in lines(bench) if isinstance(line.content, BadRow))

    assert bad.file == str(path)
    assert "not JSON" in bad.content.message


def test_routerarena_puts_the_models_of_a_query_into_one_row(tmp_path):
    rows = lines(benchmark_files.routerarena(tmp_path))

    assert [line.content["id"] for line in rows] == ["Sums_1", "Sums_2", "Words_1", "Words_2"]
    first = rows[0]
    assert first.benchmark == "RouterArena"
    assert first.facts == {
        "choice": "good",
        "robustness_prompt": "Sums_1, plese?",
        "robustness_choice": "good",
    }
    assert first.content["tags"] == ["Sums"]
    assert {name: one["cost"] for name, one in first.content["recorded"].items()} == {
        "good": 0.002,
        "cheap": 0.001,
    }


def test_a_file_of_routerarena_alone_has_no_robustness(tmp_path):
    benchmark_files.routerarena(tmp_path)

    rows = lines(tmp_path / "mine.json")

    assert rows[2].facts == {"choice": "cheap"}


def test_mtbench_joins_questions_answers_and_ratings(tmp_path):
    first, second, _ = lines(benchmark_files.mtbench(tmp_path))

    assert (first.benchmark, first.content["query"]) == ("MT-Bench", "Ask 81.")
    assert first.content["tags"] == ["writing"]
    assert first.content["recorded"]["wise"] == {
        "text": "wise: 81",
        "ratings": [[1, 9], [2, 8]],
        "score": 0.85,
    }
    assert second.content["recorded"]["quick"]["score"] == 0.4, "the rating -1 is none"


def test_judgments_without_questions_say_what_to_give(tmp_path):
    benchmark_files.mtbench(tmp_path)

    first, *_ = lines(tmp_path / "model_judgment" / "judge_single.jsonl")
    (pair,) = lines(tmp_path / "model_judgment" / "judge_pair.jsonl")

    assert "answers to `81`, but no question" in first.content.message
    assert "question.jsonl" in first.content.help
    assert "compares two models" in pair.content.message


def test_alpacaeval_joins_the_annotations_of_all_models(tmp_path):
    rows = lines(benchmark_files.alpacaeval(tmp_path))

    assert len(rows) == 6
    recorded = rows[2].content["recorded"]
    assert (rows[2].benchmark, rows[2].facts) == ("AlpacaEval", {"baseline": "base"})
    assert {name: one.get("preference") for name, one in recorded.items()} == {
        "base": 1.5,
        "long": 1.2,
        "short": 1.5,
        "plain": None,
    }
    assert recorded["long"]["score"] == pytest.approx(0.2)
    assert "score" not in rows[5].content["recorded"]["short"]
    assert rows[1].content["tags"] == ["helpful_base"]


def test_a_preference_out_of_its_scale(tmp_path):
    benchmark_files.alpacaeval(tmp_path)
    path = tmp_path / "long" / "alpaca_eval_gpt4" / "annotations.json"
    rows = json.loads(path.read_text())
    rows[1]["preference"] = 3
    path.write_text(json.dumps(rows, indent=1))

    bad = next(line for line in lines(path) if isinstance(line.content, BadRow))

    assert "a number from 1 to 2" in bad.content.message
    assert bad.number > 10


def test_humaneval_counts_what_passed(tmp_path):
    first, second = lines(benchmark_files.humaneval(tmp_path))

    assert (first.benchmark, first.content["id"]) == ("HumanEval", "HumanEval/0")
    coder = first.content["recorded"]["coder"]
    assert coder["passed"] == [True, False, True]
    assert coder["text"] == "    return 0\n"
    assert coder["score"] == pytest.approx(2 / 3)
    assert "score" not in first.content["recorded"]["guess"], "nothing says whether it passed"
    assert second.content["recorded"]["coder"]["score"] == 0
    assert "reference" not in first.content


def test_mbpp_is_told_by_its_numbers(tmp_path):
    first, second = lines(benchmark_files.mbpp(tmp_path))

    assert (first.benchmark, first.content["id"]) == ("MBPP", "11")
    assert first.content["query"].startswith("Write a function")
    assert [line.content["recorded"]["coder"]["score"] for line in (first, second)] == [1, 0]


def test_samples_without_tasks_say_what_to_give(tmp_path):
    benchmark_files.humaneval(tmp_path)

    first, *_ = lines(tmp_path / "coder.jsonl")

    assert "no `model`" in first.content.message
    assert "MODEL.jsonl" in first.content.help


def test_other_folders_are_refused(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"query": "q"}\n')

    with pytest.raises(Unreadable, match="not one of a published benchmark") as caught:
        read(tmp_path)

    assert caught.value.code == "E504"
    assert "LLMRouterBench" in caught.value.help


def test_an_archive_is_to_be_unpacked(tmp_path):
    import tarfile

    path = tmp_path / "bench-release.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(benchmark_files.llmrouterbench(tmp_path))

    with pytest.raises(Unreadable, match="tar archive") as caught:
        read(path)

    assert "tar -xf" in caught.value.help


@pytest.mark.parametrize(
    "row",
    [
        {"query": "q", "records": [], "performance": 1, "prediction": "a", "global_index": 3},
        {"instruction": "Do.", "output": "done", "generator": "me"},
        {"question": "q", "question_id": 7, "answer": "a"},
        {"prompt": "p", "completion": "c", "task_id": "other/1"},
        {"question": "q", "model": "m", "scores": [1], "candidates": ["a", "b"]},
        {"prompt": "p", "prediction": "a"},
    ],
)
def test_rows_of_others_are_left_as_they_are(tmp_path, row):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row))

    (line,) = read(path)

    assert (line.benchmark, line.content) == ("", row)
