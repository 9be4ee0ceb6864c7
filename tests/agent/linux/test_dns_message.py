"""DNS messages, with dnspython as the one who knows; and any bytes."""

from __future__ import annotations

import contextlib

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.agent.linux.dns_message import CUT, LONGEST_ANSWER, MOST_ANSWERS, parse


def _answer(name: str, kind: str, *records: str) -> bytes:
    response = dns.message.make_response(dns.message.make_query(name, kind))
    response.answer.append(dns.rrset.from_text(f"{name}.", 300, "IN", kind, *records))
    return response.to_wire(max_size=65_535)


def test_a_question_has_its_number_name_and_type() -> None:
    query = dns.message.make_query("www.Example.com.", "AAAA", use_edns=True)
    message = parse(query.to_wire())
    assert message is not None
    assert (message.number, message.is_answer) == (query.id, False)
    assert (message.name, message.type, message.answers) == ("www.Example.com", "AAAA", ())


@pytest.mark.parametrize(
    ("kind", "record", "shown"),
    [
        ("A", "192.0.2.1", "192.0.2.1"),
        ("AAAA", "2001:db8::1", "2001:db8::1"),
        ("CNAME", "other.example.com.", "other.example.com"),
        ("PTR", "host.example.com.", "host.example.com"),
        ("MX", "10 mail.example.com.", "10 mail.example.com"),
        ("SRV", "1 2 443 a.example.com.", "1 2 443 a.example.com"),
        ("TXT", '"v=spf1 " "-all"', "v=spf1 -all"),
        ("TXT", '"tab\\009"', "tab\\009"),
        ("SOA", "ns.example.com. root.example.com. 1 2 3 4 5", "ns.example.com root.example.com"),
        ("HTTPS", "1 . alpn=h2", "1 ."),
        ("SSHFP", "1 1 00112233445566778899aabbccddeeff00112233", "SSHFP 010100112233445566778899aabbccddeeff00112233"),
    ],
)
def test_records_read_as_people_write_them(kind: str, record: str, shown: str) -> None:
    message = parse(_answer("name.example.com", kind, record))
    assert message is not None
    assert (message.is_answer, message.code, message.type, message.answers) == (True, "NOERROR", kind, (shown,))


def test_the_code_of_a_refusal_is_told() -> None:
    response = dns.message.make_response(dns.message.make_query("no.example", "A"))
    response.set_rcode(dns.rcode.NXDOMAIN)
    message = parse(response.to_wire())
    assert message is not None
    assert (message.code, message.answers) == ("NXDOMAIN", ())


def test_what_is_cut_says_so_and_gives_what_is_there() -> None:
    whole = _answer("name.example", "A", *(f"192.0.2.{n}" for n in range(1, 5)))
    message = parse(whole[: len(whole) - 20])
    assert message is not None
    assert len(message.answers) == 3
    assert message.answers[-1] == CUT


def test_many_and_long_answers_are_bounded() -> None:
    many = parse(_answer("name.example", "A", *(f"192.0.2.{n}" for n in range(200))))
    long = parse(_answer("name.example", "TXT", " ".join(f'"{"x" * 255}"' for _ in range(8))))
    assert many is not None
    assert long is not None
    assert len(many.answers) == MOST_ANSWERS + 1
    assert [len(answer) for answer in long.answers] == [LONGEST_ANSWER]


def test_names_that_point_in_a_circle_are_refused() -> None:
    assert parse(bytes.fromhex("1234 0100 0001 0000 0000 0000 c00c 0001 0001")) is None


@given(st.lists(st.binary(min_size=1, max_size=63), max_size=6))
def test_odd_bytes_in_a_name_are_escaped_and_nothing_is_lost(labels: list[bytes]) -> None:
    try:
        name = dns.name.Name([*labels, b""])
    except dns.name.NameTooLong:
        return
    message = parse(dns.message.make_query(name, "A").to_wire())
    assert message is not None
    assert message.name.isascii()
    assert message.name.isprintable()
    assert dns.name.from_text(message.name).labels == name.labels


@given(st.binary(max_size=300))
def test_any_bytes_are_accepted(data: bytes) -> None:
    parse(data)


@given(st.binary(min_size=4, max_size=300))
def test_what_dnspython_reads_is_read_alike(tail: bytes) -> None:
    data = bytes.fromhex("1234 8180 0001 0001 0000 0000") + tail
    mine = parse(data)
    with contextlib.suppress(dns.exception.DNSException, ValueError):
        other = dns.message.from_wire(data, ignore_trailing=True)
        assert mine is not None
        assert mine.type in (dns.rdatatype.to_text(other.question[0].rdtype), f"TYPE{other.question[0].rdtype}")
        assert dns.name.from_text(mine.name) == other.question[0].name
