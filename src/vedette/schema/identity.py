"""Ids that are computed, not drawn: the same thing has the same id wherever it is computed."""

import hashlib

EVENT_ID_SQL = "lower(hex(MD5(concat(`host.id`, '/', `event.epoch`, '/', toString(`event.sequence`)))))"
"""`event_id` in the event store's SQL."""


def event_id(agent: str, epoch: str, sequence: int) -> str:
    """`event.id`, 32 hex digits, of event number `sequence` in the stream (agent, epoch)."""
    return hashlib.md5(f"{agent}/{epoch}/{sequence}".encode(), usedforsecurity=False).hexdigest()


def process_entity_id(host_id: str, boot_id: str, pid: int, start: int) -> str:
    """UniquePID, 32 hex digits; `start` is the process's start in nanoseconds since boot."""
    return hashlib.md5(f"{host_id}/{boot_id}/{pid}/{start}".encode(), usedforsecurity=False).hexdigest()
