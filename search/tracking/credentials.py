"""Messages that can be shown: without the passwords and tokens of the addresses in them."""

from __future__ import annotations

import re
from typing import Any

_SECRET = r"[\w.-]*(?:token|password|passwd|pwd|secret|credential|api_?key|access_?key|signature)"

_PLAIN_USER = re.compile(r"://[^\s/?#'\"<>]*@")
# A password may hold a slash that should have been escaped; a port is no password.
_ODD_PASSWORD = re.compile(r"://[^\s/:@'\"<>]*:(?!\d+(?:[/?#'\"\s]|$))[^\s'\"<>]*@")
_ASSIGNED = re.compile(rf"(?i)\b({_SECRET}[\w.-]*\s*=\s*)[^&\s'\"#;,)]+")
_HEADER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}")


def without_credentials(text: str) -> str:
    """The text without `user:password@` in its addresses and with token-like values as ***."""
    text = _ODD_PASSWORD.sub("://", _PLAIN_USER.sub("://", text))
    return _HEADER.sub(r"\1 ***", _ASSIGNED.sub(r"\1***", text))


def without_credentials_inside(content: Any) -> Any:
    """The same JSON-like content, every text in it through `without_credentials`."""
    if isinstance(content, str):
        return without_credentials(content)
    if isinstance(content, dict):
        return {key: without_credentials_inside(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [without_credentials_inside(value) for value in content]
    return content
