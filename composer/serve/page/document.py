"""The page's document, and the policy under which a browser shows it.

No script or style runs but the package's own files, whose digests stand in the document and in its
import map. The import map is the only script in the document, and the policy has its digest.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from html import escape

from composer.serve.page.assets import assets, integrity

__all__ = ["Document", "document"]

LIBRARIES = {
    "@dagrejs/dagre": "vendor/dagre.esm.js",
    "htm": "vendor/htm.module.js",
    "preact": "vendor/preact.mjs",
    "preact/hooks": "vendor/hooks.mjs",
    "uplot": "vendor/uPlot.esm.js",
}
"""The names by which the page's modules import libraries."""

STYLES = (
    "vendor/uPlot.min.css",
    "styles/theme.css",
    "styles/page.css",
    "styles/conversation.css",
    "styles/evidence.css",
)

MAIN = "app/main.js"


@dataclass(frozen=True, slots=True)
class Document:
    """The page as HTML, and the headers that it is sent with."""

    html: str
    headers: dict[str, str]


@lru_cache(maxsize=8)
def document(root: str) -> Document:
    """Return the page for a server whose addresses begin with `root`, which is often empty."""
    folder = f"{root}/page/"
    imports = import_map(folder)
    styles = "\n".join(
        f'<link rel="stylesheet" href="{escape(folder + path)}" {_checked(path)}>'
        for path in STYLES
    )
    modules = "\n".join(
        f'<link rel="modulepreload" href="{escape(folder + path)}" {_checked(path)}>'
        for path, asset in assets().items()
        if asset.is_module
    )
    html = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Ensemble Composer</title>
<link rel="icon" href="{escape(folder)}icon.svg" type="image/svg+xml">
<script src="{escape(folder)}theme.js" {_checked("theme.js")}></script>
{styles}
<script type="importmap">{imports}</script>
{modules}
<script type="module" src="{escape(folder + MAIN)}" {_checked(MAIN)}></script>
</head>
<body>
<div id="app"></div>
<noscript>This page needs JavaScript. The same models answer in `compose chat`.</noscript>
</body>
</html>
"""
    return Document(html, headers(imports))


def import_map(folder: str) -> str:
    """Return the import map: where libraries lie, and the digest of every module."""
    modules = [asset for asset in assets().values() if asset.is_module]
    imports = {
        "imports": {name: folder + path for name, path in LIBRARIES.items()},
        "integrity": {folder + module.path: module.integrity for module in modules},
    }
    return json.dumps(imports, separators=(",", ":")).replace("<", "\\u003c")


def headers(imports: str) -> dict[str, str]:
    """Return the headers of the page, for one with this import map."""
    policy = {
        "default-src": "'none'",
        "script-src": f"'self' '{integrity(imports.encode())}'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Integrity-Policy": "blocked-destinations=(script)",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }


def _checked(path: str) -> str:
    return f'integrity="{assets()[path].integrity}" crossorigin="anonymous"'
