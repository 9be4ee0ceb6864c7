"""Connections and listening ports."""

from __future__ import annotations

import errno
import socket

import pytest
from tests.agent.linux.conftest import World

from vedette.agent.linux.sources.network_events import address
from vedette.probes.records import ACCEPT, CONNECT, LISTEN
from vedette.schema.events.network import NetworkConnect, PortListen


def test_a_connection_has_both_ends(world: World) -> None:
    world.net(CONNECT, 50, world.shell())
    ends = world.of(NetworkConnect)[0].socket
    assert ends is not None
    assert (ends.protocol, ends.direction) == ("tcp", "outbound")
    assert (ends.local_ip, ends.local_port, ends.remote_ip, ends.remote_port) == ("127.0.0.1", 1234, "127.0.0.2", 80)


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (0, "established"),
        (-errno.EINPROGRESS, "pending"),
        (-errno.ECONNREFUSED, "refused"),
        (-errno.ETIMEDOUT, "timed_out"),
        (-errno.EHOSTUNREACH, "unreachable"),
        (-errno.EPERM, "denied"),
    ],
)
def test_the_outcome_of_a_connection_is_told(world: World, result: int, outcome: str) -> None:
    world.net(CONNECT, 50, world.shell(), result=result)
    ends = world.of(NetworkConnect)[0].socket
    assert ends is not None
    assert ends.outcome == outcome


def test_an_accepted_connection_is_inbound(world: World) -> None:
    world.net(ACCEPT, 50, world.shell())
    ends = world.of(NetworkConnect)[0].socket
    assert ends is not None
    assert ends.direction == "inbound"


def test_a_listening_port_has_the_address_of_its_adapter(world: World) -> None:
    world.net(LISTEN, 50, world.shell(), protocol=17, local_port=53)
    end = world.of(PortListen)[0].socket
    assert end is not None
    assert (end.protocol, end.local_ip, end.local_port, end.remote_ip) == ("udp", "127.0.0.1", 53, None)


def test_a_question_for_the_source_address_is_no_connection(world: World) -> None:
    world.net(CONNECT, 50, world.shell(), protocol=17, remote_port=0)
    assert world.events == []


def test_an_unknown_protocol_is_its_number(world: World) -> None:
    world.net(CONNECT, 50, world.shell(), protocol=99)
    ends = world.of(NetworkConnect)[0].socket
    assert ends is not None
    assert ends.protocol == "99"


@pytest.mark.parametrize(
    ("family", "text", "shown"),
    [
        (socket.AF_INET, "192.0.2.1", "192.0.2.1"),
        (socket.AF_INET6, "2001:db8::1", "2001:db8::1"),
        (socket.AF_INET6, "::ffff:192.0.2.7", "192.0.2.7"),
        (socket.AF_INET6, "::", "::"),
    ],
)
def test_addresses_read_as_people_write_them(family: int, text: str, shown: str) -> None:
    assert address(family, socket.inet_pton(family, text).ljust(16, b"\0")) == shown
