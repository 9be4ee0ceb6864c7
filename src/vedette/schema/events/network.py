"""Events about the network."""

from typing import Annotated

from vedette.schema.entities import Dns, Socket
from vedette.schema.events.base import Event
from vedette.schema.fields import doc


class NetworkConnect(Event, frozen=True, kw_only=True, tag="network_connect"):
    """A process made or accepted a connection."""

    socket: Annotated[Socket | None, doc("Both ends")] = None


class PortListen(Event, frozen=True, kw_only=True, tag="port_listen"):
    """A process opened a listening port."""

    socket: Annotated[Socket | None, doc("The listening end")] = None


class DnsQuery(Event, frozen=True, kw_only=True, tag="dns_query"):
    """A process looked up a name."""

    dns: Annotated[Dns | None, doc("Question and answer")] = None
    socket: Annotated[Socket | None, doc("The resolver")] = None
