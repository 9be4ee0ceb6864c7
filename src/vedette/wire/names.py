"""Who a certificate belongs to: the URI `urn:vedette:tenant:<tenant>:agent:<agent id>` in its names."""

import re
from typing import NamedTuple

from cryptography import x509

from vedette.runtime.errors import IdentityError

_URI = re.compile(r"urn:vedette:tenant:([A-Za-z0-9._-]{1,64}):agent:([0-9a-f]{32})")


class AgentName(NamedTuple):
    """An agent, as its certificate names it."""

    tenant: str
    agent: str


def agent_uri(tenant: str, agent: str) -> str:
    """Give the name for a certificate. Raises IdentityError for what cannot be one."""
    uri = f"urn:vedette:tenant:{tenant}:agent:{agent}"
    if not _URI.fullmatch(uri):
        raise IdentityError(f"not a tenant and an agent id: {tenant!r}, {agent!r}", reason="bad_name")
    return uri


def agent_name(certificate: x509.Certificate) -> AgentName:
    """Read the one agent name of a certificate. Raises IdentityError (reason `no_agent_name`)."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError) as error:
        raise IdentityError("the certificate names no agent", reason="no_agent_name") from error
    matches = [match for uri in uris if (match := _URI.fullmatch(uri))]
    if len(matches) != 1:
        raise IdentityError(f"the certificate names {len(matches)} agents, expected one", reason="no_agent_name")
    return AgentName(*matches[0].groups())
