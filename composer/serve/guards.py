"""Who may ask: the key, the name of the host and the origin of a request.

Without a key a server listens on loopback only, where every program of this machine may ask it. A
page in a browser is such a program too. So the host must be a name of this machine, which ends an
attack by DNS rebinding, and a page of another origin must be allowed by name.
"""

from __future__ import annotations

import hmac
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from composer.serve.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

    from composer.serve.settings import Settings

__all__ = ["OPEN_PATHS", "demand_allowed", "is_loopback"]

OPEN_PATHS = frozenset({"/", "/health", "/openapi.json"})
"""What needs no key: that the server runs, its description, and the page, which asks for the key.

The page's own files, below `/page/`, and its addresses of traces need none either.
"""

OPEN_FOLDERS = ("/page/", "/trace/")


def demand_allowed(settings: Settings, path: str, headers: Mapping[bytes, bytes]) -> None:
    """Raise ProtocolError (E803) where a request may not be answered."""
    if settings.key is None:
        _demand_own_host(headers)
        _demand_own_origin(headers, settings.origins)
    elif path not in OPEN_PATHS and not path.startswith(OPEN_FOLDERS):
        _demand_key(headers, settings.key)


def is_loopback(host: str) -> bool:
    """Say whether only programs of this machine reach a host."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def _demand_key(headers: Mapping[bytes, bytes], key: str) -> None:
    scheme, _, credentials = headers.get(b"authorization", b"").partition(b" ")
    sent = credentials.strip() if scheme.lower() == b"bearer" else b""
    if hmac.compare_digest(sent, key.encode()):
        return
    problem = "has another key than the server's" if sent else "brings no key"
    text = f"this request {problem}: it needs the header `Authorization: Bearer KEY`"
    raise ProtocolError("E803", text, headers={"WWW-Authenticate": "Bearer"})


def _demand_own_host(headers: Mapping[bytes, bytes]) -> None:
    name = _split(f"//{headers.get(b'host', b'').decode('latin-1')}").hostname or ""
    if not is_loopback(name):
        text = f"this server answers at `localhost`, not at `{name[:100]}`, as it has no key"
        raise ProtocolError("E803", text, status=403)


def _demand_own_origin(headers: Mapping[bytes, bytes], origins: tuple[str, ...]) -> None:
    origin = headers.get(b"origin", b"").decode("latin-1")
    host = headers.get(b"host", b"").decode("latin-1")
    own = not origin or _split(origin).netloc.lower() == host.lower()
    if not own and origin not in origins and "*" not in origins:
        text = f"pages of {origin[:100]} may not ask this server; `--allow-origin` allows them"
        raise ProtocolError("E803", text, status=403)


def _split(address: str) -> SplitResult:
    """Return the parts of an address; one that is none has no parts."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")
