"""HTTPS to the Central Node: one connection, TLS 1.3, our certificate; the only file that knows HTTP."""

import ssl
from typing import TypeVar

import msgspec
import urllib3

from vedette.agent.core.proxy import Proxy
from vedette.runtime.errors import ConfigError, VedetteError, WireError
from vedette.schema.policies import SignedSettings
from vedette.wire import limits
from vedette.wire.messages import (
    EnrolReply,
    EnrolRequest,
    Problem,
    Receipt,
    RenewReply,
    RenewRequest,
    TaskList,
    decode_message,
    encode_message,
)
from vedette.wire.release import SignedManifest

T = TypeVar("T", bound=msgspec.Struct)

_BINARY = "application/octet-stream"
_TIMEOUT = urllib3.Timeout(connect=10, read=60)


class UnreachableError(VedetteError):
    """No answer: the network, the name, TLS, or something that is no Central Node."""


class RefusedError(VedetteError):
    """The Central Node answered, and not with success; `retry_after` in seconds, 0 = not said."""

    def __init__(self, status: int, problem: Problem, *, retry_after: int = 0) -> None:
        self.status, self.problem, self.retry_after = status, problem, retry_after
        text = problem.detail or problem.title or "no reason given"
        super().__init__(f"the Central Node answered {status}: {text}")


class Transport:
    """Requests of the agent, through `proxy` if there is one; each raises UnreachableError or RefusedError."""

    def __init__(self, server: str, context: ssl.SSLContext, proxy: Proxy | None = None) -> None:
        url = urllib3.util.parse_url(server)
        if url.scheme != "https" or not url.host or url.path not in {None, "", "/"}:
            raise ConfigError(f"{server!r} is not a Central Node's address; expected https://host:port")
        self.server = server.rstrip("/")
        self._proxy = proxy
        self._pool = _pool(url.host, url.port or 443, context, proxy)

    def close(self) -> None:
        """Drop the connection."""
        self._pool.close()

    def ca(self) -> str:
        """Fetch the CA's certificate, PEM; to be believed only once its fingerprint is checked."""
        body = self._request("GET", "/agent/v1/ca")
        try:
            return body[: limits.CERTIFICATE_CHARACTERS].decode("ascii")
        except UnicodeDecodeError as error:
            raise UnreachableError(f"{self.server} sent no certificate") from error

    def enrol(self, request: EnrolRequest) -> EnrolReply:
        """Ask for an identity."""
        return self._message(EnrolReply, "POST", "/agent/v1/enrol", encode_message(request))

    def renew(self, request: RenewRequest) -> RenewReply:
        """Ask for a new certificate."""
        return self._message(RenewReply, "POST", "/agent/v1/renew", encode_message(request))

    def send(self, frame: bytes) -> Receipt:
        """Deliver a batch."""
        return self._message(Receipt, "POST", "/agent/v1/batch", frame, media=_BINARY, limit=limits.RECEIPT_BYTES)

    def settings(self) -> SignedSettings:
        """Fetch the settings document of our group."""
        return self._message(SignedSettings, "GET", "/agent/v1/settings", limit=limits.SETTINGS_BYTES)

    def tasks(self) -> TaskList:
        """Fetch the tasks that wait for us."""
        return self._message(TaskList, "GET", "/agent/v1/tasks", limit=limits.TASKS_BYTES)

    def release_manifest(self, sha256: str) -> SignedManifest:
        """Fetch the manifest of the release whose archive has this digest."""
        return self._message(SignedManifest, "GET", f"/agent/v1/releases/{sha256}", limit=2 * limits.MANIFEST_BYTES)

    def release_piece(self, sha256: str, offset: int) -> bytes:
        """Fetch what an archive holds at `offset`, at least one byte."""
        piece = self._request("GET", f"/agent/v1/releases/{sha256}/{offset}", limit=limits.PIECE_BYTES)
        if not piece:
            raise UnreachableError(f"{self.server} sent an empty piece")
        return piece

    def _message(
        self,
        kind: type[T],
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        media: str = "application/json",
        limit: int = limits.MESSAGE_BYTES,
    ) -> T:
        data = self._request(method, path, body, media=media, limit=limit)
        try:
            return decode_message(kind, data, limit=limit)
        except WireError as error:
            raise UnreachableError(f"{self.server} does not answer as a Central Node does: {error}") from error

    def _request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        media: str = "application/json",
        limit: int = limits.MESSAGE_BYTES,
    ) -> bytes:
        headers = {"Content-Type": media, "Accept": "application/json"}
        try:
            response = self._pool.request(
                method, path, body=body, headers=headers, redirect=False, preload_content=False
            )
            data = response.read(limit + 1, decode_content=False)
            if len(data) > limit:
                response.close()
            else:
                response.release_conn()
        except urllib3.exceptions.HTTPError as error:
            if self._proxy is not None and isinstance(error, urllib3.exceptions.ProxyError):
                raise UnreachableError(self._proxy.refusal(str(error), self.server)) from error
            raise UnreachableError(_reason(self.server, error)) from error
        if not 200 <= response.status < 300:
            raise RefusedError(
                response.status, _problem(data), retry_after=_seconds(response.headers.get("Retry-After"))
            )
        return data


def _pool(host: str, port: int, context: ssl.SSLContext, proxy: Proxy | None) -> urllib3.HTTPConnectionPool:
    if proxy is None:
        return urllib3.HTTPSConnectionPool(
            host, port, ssl_context=context, maxsize=1, block=True, retries=False, timeout=_TIMEOUT
        )
    manager = urllib3.ProxyManager(
        proxy.address,
        proxy_headers=proxy.headers(),
        ssl_context=context,
        maxsize=1,
        block=True,
        retries=False,
        timeout=_TIMEOUT,
    )
    return manager.connection_from_host(host, port, "https")


def _problem(data: bytes) -> Problem:
    try:
        return decode_message(Problem, data)
    except WireError:
        return Problem(detail=data[:200].decode(errors="replace"))


def _seconds(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else 0


def _reason(server: str, error: urllib3.exceptions.HTTPError) -> str:
    """Say in a sentence what went wrong with the connection."""
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        why = text.partition("certificate verify failed: ")[2].partition(" (_ssl")[0] or text
        return f"{server} shows a certificate that the pinned CA does not vouch for ({why})"
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return f"{server} cannot be reached: {text.partition(': ')[2] or text}"
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return f"{server} does not answer in time"
    if "ALERT" in text:
        return f"{server} refused our certificate in the TLS handshake ({text})"
    return f"{server} cannot be reached: {text}"
