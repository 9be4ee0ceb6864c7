"""Audit rules as the kernel takes them."""

from __future__ import annotations

import struct

from vedette.agent.linux.audit_rules import KEY, call_names, is_ours, rules, switches_off


def test_each_machine_has_rules_for_both_kinds_of_programs() -> None:
    for machine, count in (("x86_64", 7), ("aarch64", 6)):
        made = list(rules(machine, own=1))
        assert len(made) == count
        assert all(map(is_ours, made))
        assert not any(map(switches_off, made))
        assert {"execve", "connect", "listen", "ptrace", "finit_module"} <= set(call_names(machine).values())


def test_a_rule_with_a_longer_key_is_somebody_elses() -> None:
    ours = next(rules("x86_64", own=1))
    longer = b"x-" + KEY.encode()
    fields = list(struct.unpack("=260I", ours[:1040]))
    at = 3 + 64 + 64 + fields[2] - 1  # the value of the last field, the key
    fields[at], fields[259] = len(longer), len(longer)
    assert not is_ours(struct.pack("=260I", *fields) + longer)
    assert not is_ours(b"short")


def test_the_rule_that_takes_all_programs_out_is_seen() -> None:
    assert switches_off(struct.pack("=260I", 1, 0, *[0] * 258))
    assert not switches_off(struct.pack("=260I", 1, 0, 1, *[0] * 257))
