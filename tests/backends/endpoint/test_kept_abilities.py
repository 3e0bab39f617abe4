"""What was found of servers is kept whole, by all that it depends on."""

import multiprocessing
from dataclasses import replace

import pytest

from composer.backends.endpoint import Endpoint
from composer.backends.endpoint.abilities import Abilities
from composer.backends.endpoint.probing.kept_abilities import (
    DamagedRecordError,
    RecordKey,
    findings_of,
    unread,
)
from composer.backends.endpoint.probing.probe import ProbeReport

KEY = RecordKey("http://a/v1", "m")
REPORT = ProbeReport(Abilities(chat=True, top=20, prompts=4), ("seeds",), 50, "1.2")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_what_is_kept_is_read_again():
    assert KEY.read() is None
    record = KEY.write(REPORT)
    assert KEY.read() == record
    assert (record.abilities, record.unknown, record.server) == (
        REPORT.abilities,
        ("seeds",),
        "1.2",
    )


@pytest.mark.parametrize("other", ["address", "model", "api", "tokenizer"])
def test_another_server_model_or_way_to_ask_is_not_known(other):
    KEY.write(REPORT)
    assert replace(KEY, **{other: "other"}).read() is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"abilities": {"chat": "yes"}}'])
def test_a_damaged_file_is_told_and_asked_for_anew(content):
    KEY.write(REPORT)
    KEY.path.write_bytes(content)
    with pytest.raises(DamagedRecordError):
        KEY.read()
    endpoint = Endpoint(model="m", url="http://a/v1")
    assert endpoint.unexplored
    assert any(str(KEY.path) in text for text in endpoint.card().deferred)
    KEY.write(REPORT)
    assert not endpoint.unexplored


def test_where_nothing_can_be_written_this_process_knows_it(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    key = replace(KEY, model="unwritten")
    assert key.read() is None
    assert key.write(REPORT) == key.read()


def _write_often(count):
    for _ in range(count):
        KEY.write(REPORT)


def test_processes_that_write_at_once_leave_a_whole_file():
    KEY.write(REPORT)
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_often, args=(40,)) for _ in range(2)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert KEY.read().abilities == REPORT.abilities
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert [path.name for path in KEY.path.parent.iterdir()] == [KEY.path.name]


def test_several_addresses_give_what_all_of_them_give():
    endpoint = Endpoint(model="m", url=("http://a/v1", "http://b/v1"))
    KEY.write(REPORT)
    less = replace(REPORT, abilities=Abilities(completions=True, top=5, prompts=8, context=512))
    replace(KEY, address="http://b/v1").write(less)
    assert findings_of(endpoint).abilities == Abilities(top=5, prompts=4, context=512)
    with unread():
        assert findings_of(endpoint).abilities is None
