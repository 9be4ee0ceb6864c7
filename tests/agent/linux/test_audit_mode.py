"""The rules of mode audit on the running kernel: there while it observes, gone afterwards, refused with the reason."""

from __future__ import annotations

import threading

import pytest
from tests.agent.linux.auditing import auditing, switch
from tests.agent.linux.live import HOST, Live

from vedette.agent.linux.audit_netlink import audit_status, request
from vedette.agent.linux.audit_rules import AuditRules, Field, is_ours, listed, rule
from vedette.agent.linux.sources.kernel import KernelSource
from vedette.runtime.errors import ProbeError
from vedette.schema.policies import Settings

pytestmark = pytest.mark.root
_ADD, _DELETE = 1011, 1012


def test_rules_are_there_while_it_observes_and_those_of_others_stay() -> None:
    foreign = rule(0xC000003E, (39,), Field(0, 0x40000000, 1)).replace(b"vedette-agent", b"somebody-else")
    with auditing():
        before = listed()
        request(_ADD, foreign)
        try:
            with Live("audit") as live:
                assert live.source.mode == "audit"
                assert sum(map(is_ours, listed())) == 7
            left = [one for one in listed() if one not in before]
            assert [b"somebody-else" in one for one in left] == [True]
        finally:
            request(_DELETE, foreign)
        assert listed() == before


def test_rules_of_an_agent_that_was_killed_are_replaced() -> None:
    with auditing():
        killed = AuditRules()
        AuditRules().remove()
        assert not any(map(is_ours, listed()))
        killed.remove()


def test_auditing_that_is_off_refuses_the_mode_and_stays_off() -> None:
    with auditing():
        switch(0)
        source = KernelSource(HOST, Settings(), only="audit")
        with pytest.raises(ProbeError, match="audit is forced and cannot run: auditing is switched off"):
            source.run(lambda _: None, threading.Event())
        assert "switched off" in source.refused()["audit"]
        state = audit_status()
        assert state is not None
        assert state.enabled == 0
