"""The HTTP proxy between this host and the Central Node, if there is one; TLS passes through it untouched.

Kept in the agent's data directory as one line, mode 0600: it may hold a password. The environment is not asked.
"""

import base64
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec

from vedette.runtime.errors import ConfigError
from vedette.runtime.files import write_atomic

FILE: Final = "proxy"
FROM_ENVIRONMENT: Final = "environment"
_VARIABLES: Final = ("HTTPS_PROXY", "https_proxy")
_CLOSING: Final = ")\"'"
_TUNNEL_REFUSED = re.compile(r"Tunnel connection failed: (\d{3})")


class Proxy(msgspec.Struct, frozen=True):
    """Where it is, and who we are there ("" = no sign-in)."""

    address: str
    """`http://host:port`: never with the password, so that it may be shown."""
    user: str = ""
    password: str = ""

    def headers(self) -> dict[str, str]:
        """Give what is said to the proxy, and to it alone."""
        if not self.user:
            return {}
        secret = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return {"Proxy-Authorization": f"Basic {secret}"}

    def refusal(self, text: str, server: str) -> str:
        """Say in a sentence why it did not connect us to `server`; `text` is the library's word."""
        found = _TUNNEL_REFUSED.search(text)
        if found is None:
            return f"the proxy {self.address} cannot be reached: {text.rpartition(': ')[2].rstrip(_CLOSING)}"
        status = int(found[1])
        if status == 407 and self.user:
            return f"the proxy {self.address} does not accept the password of {self.user!r} (407; Basic sign-in)"
        if status == 407:
            return f"the proxy {self.address} wants a user name and a password (407): http://USER:PASSWORD@HOST:PORT"
        return f"the proxy {self.address} refuses to connect to {server} ({status})"


def parse_proxy(text: str) -> Proxy:
    """Read `http://[user:password@]host:port`; a user or password with special characters is percent-encoded.

    Raises ConfigError, which never repeats the text: it may hold a password.
    """
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError("the proxy's address cannot be read; expected http://host:port") from error
    if parts.scheme != "http":
        raise ConfigError("only HTTP proxies are spoken to; expected http://host:port")
    if not host or parts.path not in {"", "/"} or parts.query or parts.fragment or not host.isprintable():
        raise ConfigError("the proxy's address cannot be read; expected http://host:port")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if ":" in user or not f"{user}{password}".isprintable() or (password and not user):
        raise ConfigError("the proxy's user name holds a colon, or it or the password a control character")
    shown = f"[{host}]" if ":" in host else host
    return Proxy(f"http://{shown}:{80 if port is None else port}", user, password)


def chosen_proxy(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Give the proxy's URL that `text` stands for: itself, or what HTTPS_PROXY says. Raises ConfigError."""
    if text != FROM_ENVIRONMENT:
        return text
    for name in _VARIABLES:
        if environment.get(name):
            return environment[name]
    raise ConfigError(f"{' and '.join(_VARIABLES)} are not set in this environment")


def keep_proxy(data: Path, text: str) -> None:
    """Write the proxy's URL for the agent of `data`; "" removes it. Raises ConfigError before anything is written."""
    if text:
        parse_proxy(text)
        write_atomic(data / FILE, text.strip().encode() + b"\n")
    else:
        (data / FILE).unlink(missing_ok=True)


def kept_proxy(data: Path) -> Proxy | None:
    """Give the proxy of the agent of `data`; None: there is none. Raises ConfigError."""
    try:
        text = (data / FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{data / FILE} cannot be read") from error
    try:
        return parse_proxy(text)
    except ConfigError as error:
        raise ConfigError(f"{data / FILE}: {error}") from error
