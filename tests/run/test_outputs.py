"""An output file holds to all that was asked, is one run's alone, and may be a pipe or a device."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from composer.run import Failure, OutputFile, Result
from composer.run.queries import as_queries, as_query
from composer.values import Query

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.jsonl"


def answer(path, *given):
    """Answer what is left of some rows; return the ids that were asked."""
    with OutputFile(path, "0123456789ab", "r.ens") as rows:
        asked = []
        for query in rows.pending(list(as_queries(given))):
            asked.append(query.id)
            rows.write(Result(query.id, query.text, "a"))
    return asked


ROW = {"id": "1", "query": "q", "system": "s", "topic": "t"}


@pytest.mark.parametrize(
    "change",
    [
        {"system": "other"},
        {"system": None},
        {"topic": "other"},
        {"more": 1},
        {"query": "other"},
        {"query": None, "system": None, "messages": [{"role": "user", "content": "q"}]},
    ],
)
def test_another_question_under_one_id_was_not_answered_before(path, change):
    row = {name: value for name, value in (ROW | change).items() if value is not None}
    answer(path, ROW)
    before = path.read_bytes()
    assert answer(path, ROW) == []
    with pytest.raises(Failure) as caught:
        answer(path, row)
    assert caught.value.code == "E706"
    assert path.read_bytes() == before


def test_two_rows_of_one_id_differ_by_their_fields_too(path):
    with pytest.raises(Failure) as caught:
        answer(path, ROW, ROW | {"topic": "other"})
    assert caught.value.code == "E504"


def test_rows_without_ids_are_known_by_what_they_ask(path):
    assert answer(path, "a", "b", "b") == ["0", "1", "2"]
    assert answer(path, "b", "a", "b") == []
    assert answer(path, "a", "b", "b", "c") == ["3"]


def test_answers_of_before_that_do_not_say_what_was_asked_count_by_their_query(path):
    path.write_text(json.dumps({"id": "1", "query": "q", "answer": "a"}) + "\n")
    assert answer(path, {"id": "1", "query": "q", "topic": "any"}) == []


def test_rows_in_the_form_of_batch_files_are_taken_up(path):
    def form(result):
        body = {"choices": [{"message": {"content": result.answer}}]}
        response = None if result.error else {"body": body}
        error = {"code": "E701", "message": result.error} if result.error else None
        return {"id": "b", "custom_id": result.id, "response": response, "error": error}

    request = {"id": "r1", "custom_id": "r1", "query": "q"}
    for error in ("[E701] no answer", None):
        with OutputFile(path, "0123456789ab", "r.ens", form=form) as rows:
            (query,) = rows.pending([as_query(request)])
            rows.write(Result(query.id, query.text, None if error else "a", error=error))
    (row,) = map(json.loads, path.read_text().splitlines())
    assert (row["custom_id"], row["error"]) == ("r1", None)
    assert answer(path, request) == []
    with pytest.raises(Failure):
        answer(path, request | {"query": "other"})


def test_a_second_run_on_one_output_is_refused_until_the_first_has_ended(path):
    with OutputFile(path), pytest.raises(Failure) as caught:
        OutputFile(path)
    assert caught.value.code == "E714"
    with OutputFile(path):
        pass


def test_a_link_to_an_output_is_that_output(path, tmp_path):
    answer(path, "a")
    link = tmp_path / "link.jsonl"
    link.symlink_to(path)
    path.write_bytes(path.read_bytes() + b'{"torn')
    with OutputFile(link):
        with pytest.raises(Failure):
            OutputFile(path)
        assert link.is_symlink()
    assert len(path.read_text().splitlines()) == 1


HOLD = """
import sys, time
from pathlib import Path
from composer.run import OutputFile
with OutputFile(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_run_that_was_killed_keeps_nobody_out(path):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "held\n"
        with pytest.raises(Failure):
            OutputFile(path)
        child.send_signal(signal.SIGKILL)
    with OutputFile(path) as rows:
        rows.write(Result("1", "q", "a"))


def test_a_pipe_is_written_to_and_not_read(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    for _ in range(500):
        try:
            rows = OutputFile(pipe)
        except Failure:
            threading.Event().wait(0.01)
        else:
            break
    with rows:
        rows.write(Result("1", "q", "a"))
    reader.join(10)
    assert json.loads(read[0])["answer"] == "a"


def test_a_pipe_that_nobody_reads_from_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Failure, match="the reader of this pipe has stopped") as caught:
        OutputFile(tmp_path / "pipe")
    assert caught.value.code == "E718"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
def test_a_full_device_is_told():
    with OutputFile(Path("/dev/full")) as rows, pytest.raises(Failure, match="No space") as caught:
        rows.write(Result("1", "q", "a"))
    assert caught.value.code == "E718"


def test_a_device_takes_all_answers():
    with OutputFile(Path(os.devnull)) as rows:
        rows.write(Result("1", "q", "a"))


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(Failure) as caught:
        OutputFile(tmp_path)
    assert caught.value.code == "E718"


def test_half_a_character_is_written_as_what_it_is(path):
    with OutputFile(path) as rows:
        rows.write(Result("1", "q", "\ud83d"))
    assert json.loads(path.read_text())["answer"] == "\ud83d"


@pytest.mark.parametrize("line", ["[" * 100_000, '{"custom_id": "1", "response": 3', "3", "\xff"])
def test_a_file_of_anything_else_is_refused(path, line):
    path.write_bytes(line.encode("latin-1") + b"\n")
    with pytest.raises(Failure) as caught:
        OutputFile(path)
    assert caught.value.code == "E706"


def test_queries_of_one_id_and_other_messages_are_two():
    same = [Query((("user", "q"),), "1"), Query((("system", "s"), ("user", "q")), "1")]
    with OutputFile(Path(os.devnull)) as rows, pytest.raises(Failure):
        list(rows.pending(same))
