"""Every way in which ingest refuses: the word that is counted, the HTTP status, the sentence for people."""

from vedette.runtime.errors import VedetteError
from vedette.wire.messages import Problem, encode_message

REASONS: dict[str, tuple[int, str]] = {
    # Identity.
    "certificate_missing": (401, "a client certificate is required"),
    "certificate_foreign": (403, "the client certificate is not of this deployment"),  # in the handshake
    "certificate_malformed": (403, "the client certificate names no agent"),
    "certificate_expired": (403, "the client certificate has expired: it may only renew"),
    "certificate_early": (403, "the client certificate is not valid yet"),
    "certificate_replaced": (403, "the client certificate was replaced by a newer one"),
    "agent_revoked": (403, "this agent was revoked"),
    "agent_unknown": (403, "this agent is not known here"),
    "tenant_mismatch": (403, "the certificate is of another tenant than the agent"),
    "batch_of_another_agent": (403, "the batch is of another agent than the certificate"),
    # Enrolment.
    "bad_token": (403, "this is not an enrolment token"),
    "token_unknown": (403, "the enrolment token is not known"),
    "token_expired": (403, "the enrolment token has expired"),
    "token_revoked": (403, "the enrolment token was revoked"),
    "token_used": (403, "the enrolment token was used up"),
    "bad_csr": (400, "the certificate request cannot be accepted"),
    # Requests.
    "handshake_failed": (400, "no TLS 1.3 connection came about"),  # in the handshake
    "request_broken": (400, "the request cannot be read"),
    "request_slow": (408, "the request took too long"),
    "request_oversized": (413, "the request is larger than allowed"),
    "route_unknown": (404, "there is nothing here"),
    "release_unknown": (404, "there is no such release"),
    "settings_missing": (404, "no settings document was published for this group"),
    "connection_limit": (503, "there are too many connections"),
    # Batches.
    "batch_broken": (400, "the batch cannot be read"),
    "batch_overlap": (409, "some events of the batch are here already: its boundaries changed"),
    "batch_scattered": (409, "the agent's sequence numbers are in too many pieces"),
    "spool_full": (503, "batches cannot be kept now"),
    "spool_deep": (503, "more events wait to be stored than should"),
    "overloaded": (503, "too many batches arrive at once"),
    "releases_busy": (503, "too many hosts fetch a release at once"),
    "state_unavailable": (503, "identities cannot be checked now"),
}


class Refused(VedetteError):  # noqa: N818 - what happened, not what broke
    """A request is refused for `reason`, a key of REASONS."""

    def __init__(self, reason: str, detail: str = "", *, retry_after: int = 0, close: bool = False) -> None:
        self.reason, self.detail, self.retry_after, self.close = reason, detail, retry_after, close
        self.status, self.title = REASONS.get(reason, (403, "refused"))
        super().__init__(detail or self.title)

    def body(self) -> bytes:
        """Give the problem document (RFC 9457)."""
        return encode_message(
            Problem(type=f"urn:vedette:problem:{self.reason}", title=self.title, status=self.status, detail=self.detail)
        )
