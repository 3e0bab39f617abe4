"""The page's document: its policy, and the digests that a browser checks."""

import hashlib
import json
import re
from pathlib import Path

from composer.serve.page.assets import assets, integrity
from composer.serve.page.document import LIBRARIES, STYLES, document

STATIC = Path(__file__).parents[2] / "composer" / "serve" / "page" / "static"


def _import_map(html):
    (text,) = re.findall(r'<script type="importmap">(.*?)</script>', html)
    return text


def _policy(shown):
    parts = shown.headers["Content-Security-Policy"].split("; ")
    return dict(part.split(" ", 1) for part in parts)


def test_the_policy_allows_what_is_the_pages_own_and_nothing_else():
    policy = _policy(document(""))
    assert policy["default-src"] == "'none'"
    assert policy["style-src"] == policy["connect-src"] == policy["img-src"] == "'self'"
    assert policy["script-src"].startswith("'self' 'sha256-")
    for loose in ("unsafe", "http", "data:", "*"):
        assert loose not in document("").headers["Content-Security-Policy"]


def test_the_one_script_in_the_document_has_its_digest_in_the_policy():
    shown = document("")
    digest = integrity(_import_map(shown.html).encode())
    assert f"'{digest}'" in _policy(shown)["script-src"].split()
    scripts = re.findall(r"<script([^>]*)>", shown.html)
    assert sum("src=" not in attributes for attributes in scripts) == 1
    assert not re.search(r"\s(style|on\w+)=", shown.html)


def test_every_file_that_the_document_names_is_checked_by_its_digest():
    html = document("").html
    named = re.findall(r'(?:src|href)="/page/([^"]+)" integrity="([^"]+)"', html)
    for path, digest in named:
        assert integrity((STATIC / path).read_bytes()) == digest, path
    paths = {path for path, _ in named}
    assert paths >= {*STYLES, "theme.js", "app/main.js"}
    unchecked = re.findall(r'(?:src|href)="/page/([^"]+)"(?! integrity)', html)
    assert unchecked == ["icon.svg"]


def test_every_module_is_in_the_import_map_with_its_digest():
    imports = json.loads(_import_map(document("").html))
    modules = [
        *STATIC.glob("app/**/*.js"),
        *STATIC.glob("vendor/*.js"),
        *STATIC.glob("vendor/*.mjs"),
    ]
    expected = {
        f"/page/{path.relative_to(STATIC).as_posix()}": integrity(path.read_bytes())
        for path in modules
    }
    assert imports["integrity"] == expected
    assert imports["imports"].keys() == LIBRARIES.keys()
    assert set(imports["imports"].values()) <= expected.keys()


def test_modules_import_only_what_is_there():
    for path in STATIC.glob("app/**/*.js"):
        for name in re.findall(r'(?:from|import) "([^"]+)"', path.read_text(encoding="utf-8")):
            is_there = (path.parent / name).is_file() if name.startswith(".") else name in LIBRARIES
            assert is_there, f"{path.name} imports {name}"


def test_behind_a_proxy_addresses_begin_with_its_path():
    shown = document("/models/page")
    assert 'src="/models/page/page/app/main.js"' in shown.html
    assert '"/models/page/page/app/main.js":"sha256-' in _import_map(shown.html)
    assert integrity(_import_map(shown.html).encode()) in _policy(shown)["script-src"]


def test_libraries_are_the_files_of_their_packages():
    notice = (STATIC / "vendor" / "NOTICE").read_text(encoding="utf-8")
    digests = dict(re.findall(r"^(\S+)\s+.*\s([0-9a-f]{64})$", notice, re.MULTILINE))
    files = {path.name for path in (STATIC / "vendor").iterdir()} - {"NOTICE", "htm.LICENSE"}
    assert digests.keys() == files
    for name, digest in digests.items():
        content = (STATIC / "vendor" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest, name


def test_licences_are_in_the_package_and_are_not_served():
    assert not {"vendor/NOTICE", "vendor/htm.LICENSE"} & assets().keys()
