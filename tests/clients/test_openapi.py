"""Schemathesis finds no 5xx and no undocumented status in what `/openapi.json` describes."""

import pytest
from clients import run_client

pytestmark = pytest.mark.slow

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance,response_headers_conformance,unsupported_method"
)


def test_schemathesis_finds_nothing(server, tmp_path):
    printed = run_client(
        *("schemathesis", "run", f"{server}/openapi.json", "--checks", CHECKS),
        *("--max-examples", "60", "--seed", "1", "--workers", "2", "--request-timeout", "60"),
        *("--exclude-path-regex", "^/api/", "--max-time", "200"),
        folder=tmp_path,
    )
    assert "No issues found" in printed, printed[-6000:]
