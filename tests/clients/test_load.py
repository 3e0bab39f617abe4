"""guidellm measures a served recipe under load."""

import json

import pytest
from clients import run_client

from composer import zoo

pytestmark = pytest.mark.slow

LENGTH, MEMBERS = 16, 3


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_guidellm_counts_the_tokens_of_each_answer(server, tmp_path, path):
    printed = run_client(
        *("guidellm", "run", "--disable-console-interactive"),
        *("--backend", f"kind=openai_http,target={server},model=fused,request_format={path}"),
        *("--profile", "kind=concurrent,streams=8"),
        *("--constraint", "kind=max_requests,count=32"),
        *("--tokenizer", f"kind=huggingface_auto,model={zoo.folder('general-1')}"),
        *("--data", f"kind=synthetic_text,prompt_tokens=32,output_tokens={LENGTH}"),
        *("--output", "kind=json,path=load.json"),
        folder=tmp_path,
    )
    (benchmark,) = json.loads((tmp_path / "load.json").read_text())["benchmarks"]
    metrics = benchmark["metrics"]
    assert metrics["request_totals"]["successful"] >= 32, printed[-4000:]
    assert metrics["request_totals"]["errored"] == 0
    tokens = metrics["output_token_count"]["successful"]
    assert tokens["min"] == tokens["max"] == MEMBERS * LENGTH
    assert metrics["output_tokens_per_second"]["successful"]["mean"] > 0
