"""`compose check --github`: mistakes as annotations of a workflow."""

import pytest

from composer.cli import main


def test_each_mistake_is_a_command_with_its_place(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.ens").write_text('model A = fake("x")\nA -> vot()\n', encoding="utf-8")
    with pytest.raises(SystemExit) as caught:
        main(["check", "--github", "r.ens"])
    out = capfd.readouterr().out
    assert caught.value.code == 1
    assert out == (
        "::error file=r.ens,line=2,col=6,endLine=2,title=E202::"
        "unknown step `vot`%0Adid you mean `vote`?\n"
    )
