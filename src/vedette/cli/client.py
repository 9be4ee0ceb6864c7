"""The API as the command line calls it: where it is, whom to trust, the token, and errors as sentences.

From flags, else the environment (VEDETTE_URL, VEDETTE_CA, VEDETTE_TOKEN), else the first `client.toml` of
$VEDETTE_CLIENT, ./.vedette/client.toml, ~/.config/vedette/client.toml.
"""

import os
import ssl
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import msgspec

from vedette.cli.http import httpx
from vedette.runtime.errors import ConfigError, VedetteError
from vedette.runtime.files import write_atomic

PREFIX = "/api/v1"
TIMEOUT = httpx.Timeout(120.0, connect=10.0)


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the API is; `ca` is the file of the deployment's CA, empty = the system's CAs."""

    url: str = ""
    ca: str = ""
    token: str = ""


class UnreachableError(VedetteError):
    """The server does not answer, or is not the one that it should be."""


class ApiError(VedetteError):
    """The API refused or failed; `word` is the end of the problem's type, `problem` the whole of it."""

    def __init__(self, sentence: str, *, status: int, problem: Mapping[str, Any]) -> None:
        self.status, self.problem = status, problem
        self.word = str(problem.get("type", "")).rpartition(":")[2]
        super().__init__(sentence)


def config_files(environ: Mapping[str, str] | None = None) -> list[Path]:
    """Give the places of `client.toml`, the one that wins first."""
    named = (os.environ if environ is None else environ).get("VEDETTE_CLIENT")
    if named:
        return [Path(named)]
    return [Path(".vedette/client.toml"), Path.home() / ".config/vedette/client.toml"]


def load_config(environ: Mapping[str, str] | None = None) -> ClientConfig:
    """Read the configuration; a variable wins over the file. Raises ConfigError."""
    variables = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    for path in config_files(environ):
        if path.is_file():
            values = _read(path)
            break
    for name in ClientConfig.__struct_fields__:
        values[name] = variables.get(f"VEDETTE_{name.upper()}") or values.get(name, "")
    try:
        return msgspec.convert(values, ClientConfig)
    except msgspec.ValidationError as error:
        raise ConfigError(f"client.toml: {error}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def save_config(config: ClientConfig, path: Path) -> None:
    """Keep the configuration, readable by its owner only."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lines = (f"{name} = {msgspec.json.encode(getattr(config, name)).decode()}\n" for name in config.__struct_fields__)
    write_atomic(path, "".join(lines).encode())


class Client:
    """Calls the API. `get`, `post` ... give decoded JSON; every failure is a VedetteError with a sentence."""

    def __init__(self, config: ClientConfig) -> None:
        if not config.url:
            raise ConfigError(
                "no server is configured: run `vedette login URL`, or set VEDETTE_URL, VEDETTE_CA and VEDETTE_TOKEN"
            )
        self.config = config
        self.csrf = ""
        headers = {"Accept": "application/json", "User-Agent": "vedette-cli"}
        if config.token:
            headers["Authorization"] = f"Bearer {config.token}"
        self._http = httpx.Client(
            base_url=config.url.rstrip("/") + PREFIX,
            verify=_trust(config.ca),
            headers=headers,
            timeout=TIMEOUT,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, **params: str | int) -> Any:
        """Read."""
        return self._call("GET", path, params={name: value for name, value in params.items() if value != ""})

    def post(self, path: str, body: Any = None) -> Any:
        """Ask or change."""
        return self._call("POST", path, json=body)

    def upload(self, path: str, file: Path) -> Any:
        """Send a file as the body, a piece at a time. Raises ConfigError when it cannot be read."""
        try:
            with file.open("rb") as source:
                size = {"Content-Length": str(os.fstat(source.fileno()).st_size)}
                return self._call("POST", path, content=iter(lambda: source.read(1 << 18), b""), headers=size)
        except OSError as error:
            raise ConfigError(f"{file} cannot be read: {error}") from error

    def stream(self, path: str, body: Any) -> Iterator[bytes]:
        """Ask for what may be long. Raises UnreachableError when the server cuts it off."""
        try:
            with self._http.stream("POST", path, json=body) as response:
                if response.status_code >= 400:
                    response.read()
                    raise _refusal(response)
                yield from response.iter_bytes()
        except httpx.HTTPError as error:
            raise UnreachableError(f"the answer was cut off: {_why(error)}") from error

    def alerts_since(self, since: int) -> Iterator[Any]:
        """Give alerts as they are raised and changed from `since` on, microseconds UTC; ends when the server says so.

        Raises UnreachableError when it is cut off.
        """
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(since)}
        try:
            with self._http.stream("GET", "/alerts/stream", headers=headers) as response:
                if response.status_code >= 400:
                    response.read()
                    raise _refusal(response)
                for line in response.iter_lines():
                    if line.startswith("data: "):
                        yield msgspec.json.decode(line.removeprefix("data: "))
        except httpx.HTTPError as error:
            raise UnreachableError(f"the alerts were cut off: {_why(error)}") from error

    def put(self, path: str, body: Any, **headers: str) -> Any:
        """Replace."""
        return self._call("PUT", path, json=body, headers=headers)

    def patch(self, path: str, body: Any) -> Any:
        """Change some of it."""
        return self._call("PATCH", path, json=body)

    def delete(self, path: str) -> None:
        """Remove."""
        self._call("DELETE", path)

    def pages(self, path: str, **params: str | int) -> Iterator[Any]:
        """Walk a list to its end."""
        cursor = ""
        while cursor is not None:
            page = self.get(path, cursor=cursor, **params)
            yield from page["items"]
            cursor = page["cursor"]

    def _call(self, method: str, path: str, **options: Any) -> Any:
        headers = dict(options.pop("headers", {}))
        if self.csrf:
            headers["X-Vedette-CSRF"] = self.csrf
        try:
            response = self._http.request(method, path, headers=headers, **options)
        except httpx.HTTPError as error:
            raise UnreachableError(f"{self.config.url} does not answer: {_why(error)}") from error
        if response.status_code >= 400:
            raise _refusal(response)
        return msgspec.json.decode(response.content) if response.content else None


def _trust(ca: str) -> ssl.SSLContext:
    """Make the TLS context: exactly the deployment's CA when it is named."""
    try:
        context = ssl.create_default_context(cafile=ca or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"the CA file {ca} cannot be used: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _why(error: httpx.HTTPError) -> str:
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "its certificate is not signed by the CA that is configured, or is for another name"
    return text or type(error).__name__


def _refusal(response: httpx.Response) -> ApiError:
    try:
        problem = msgspec.json.decode(response.content, type=dict[str, Any])
    except msgspec.DecodeError:
        problem = {}
    sentence = str(problem.get("detail") or f"the server answered {response.status_code}")
    if response.status_code == 401:
        sentence += "; run `vedette login`"
    return ApiError(sentence, status=response.status_code, problem=problem)
