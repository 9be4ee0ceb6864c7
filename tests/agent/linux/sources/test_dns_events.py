"""Questions and their answers become one event."""

from __future__ import annotations

import dns.message
import dns.rrset
import pytest
from tests.agent.linux.conftest import OURS, SECOND, World

from vedette.agent.linux.sources import dns_events
from vedette.agent.linux.sources.dns_events import DnsEvents
from vedette.probes import records
from vedette.schema.events.network import DnsQuery


class Talk:
    """A process that asks a resolver."""

    def __init__(self, world: World) -> None:
        self.world, self.start = world, world.shell()
        self.events = DnsEvents(world.model, world.processes)

    def packet(self, data: bytes, *, answer: bool = False, resolver: int = 53, **other: int) -> None:
        act = self.world.act(records.DNS, 0 if answer else 50, 0 if answer else self.start)
        if answer:
            act["flags"] = records.ANSWER
        self.events.packet(
            records.Dns(
                **act, cookie=other.get("cookie", 7), family=2, protocol=other.get("protocol", 17), local_port=4000,
                remote_port=53, local=bytes([127, 0, 0, 1]) + bytes(12),
                remote=bytes([127, 0, 0, resolver]) + bytes(12), sequence=other.get("sequence", 0), length=len(data),
                data=data,
            )
        )  # fmt: skip

    def told(self) -> list[tuple[str | None, str | None, tuple[str, ...] | None, str | None]]:
        found = [event.dns for event in self.world.of(DnsQuery)]
        return [(one.query, one.type, one.answers, one.status) for one in found if one is not None]


@pytest.fixture
def talk(world: World) -> Talk:
    return Talk(world)


def _pair(name: str = "www.example.com", number: int = 4711) -> tuple[bytes, bytes]:
    query = dns.message.make_query(name, "A", id=number)
    response = dns.message.make_response(query)
    response.answer.append(dns.rrset.from_text(f"{name}.", 1, "IN", "A", "192.0.2.1"))
    return query.to_wire(), response.to_wire()


def test_an_answer_is_joined_to_its_question_and_the_asker(talk: Talk) -> None:
    query, response = _pair()
    talk.packet(query)
    assert talk.told() == []
    talk.packet(response, answer=True)
    assert talk.told() == [("www.example.com", "A", ("192.0.2.1",), "NOERROR")]
    event = talk.world.of(DnsQuery)[0]
    assert event.process is not None
    assert event.process.pid == 50
    assert event.process.mount_namespace == OURS
    assert event.socket is not None
    assert (event.socket.remote_ip, event.socket.remote_port, event.socket.protocol) == ("127.0.0.53", 53, "udp")


@pytest.mark.parametrize(("change", "value"), [("cookie", 8), ("resolver", 54), ("number", 1), ("name", "x.example")])
def test_the_answer_to_something_else_is_none(talk: Talk, change: str, value: int | str) -> None:
    talk.packet(_pair()[0])
    other = {change: value}
    response = _pair(**{key: other.pop(key) for key in ("number", "name") if key in other})[1]  # type: ignore[arg-type]
    talk.packet(response, answer=True, **other)  # type: ignore[arg-type]
    assert talk.told() == []
    assert talk.events.unmatched == 1


def test_a_question_that_nobody_answers_is_told_after_a_while(talk: Talk) -> None:
    talk.packet(_pair()[0])
    talk.packet(_pair()[0])  # once more
    talk.events.tick(talk.world.now + 4 * SECOND)
    assert talk.told() == []
    talk.events.tick(talk.world.now + 6 * SECOND)
    assert talk.told() == [("www.example.com", "A", None, "TIMEOUT")]


def test_a_stopping_agent_does_not_say_that_no_answer_came(talk: Talk) -> None:
    talk.packet(_pair()[0])
    talk.events.finish()
    assert talk.told() == [("www.example.com", "A", None, None)]


def test_questions_over_tcp_are_put_together(talk: Talk) -> None:
    query, response = (len(data).to_bytes(2) + data for data in _pair())
    talk.packet(query[:2], protocol=6, sequence=10)
    talk.packet(query[2:], protocol=6, sequence=12)
    talk.packet(response, answer=True, protocol=6, sequence=500)
    assert talk.told() == [("www.example.com", "A", ("192.0.2.1",), "NOERROR")]


def test_no_more_questions_wait_than_fit(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_events, "MOST", 3)
    for number in range(5):
        talk.packet(_pair(number=number)[0])
    assert len(talk.told()) == 2
    assert talk.events.early == 2


def test_what_is_no_dns_message_is_counted(talk: Talk) -> None:
    talk.packet(b"no message")
    talk.packet(_pair()[0], answer=True)
    assert (talk.told(), talk.events.malformed) == ([], 2)
