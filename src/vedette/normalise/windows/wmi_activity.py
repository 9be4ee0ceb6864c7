"""Records of WMI-Activity 5859 to 5861 -> WMI subscriptions; 5857 and 5858 (providers, failures) stay records."""

from typing import Final

from vedette.normalise.windows import winlog
from vedette.normalise.windows.memory import Memory
from vedette.normalise.windows.record import Record
from vedette.normalise.windows.texts import account, known, number
from vedette.schema.entities import Wmi
from vedette.schema.events.base import Event
from vedette.schema.events.windows import WmiEvent

_OPERATIONS: Final = {5859: "filter started", 5860: "temporary filter started", 5861: "binding created"}


def wmi_event(record: Record, memory: Memory) -> Event:
    """5859 (filter), 5860 (temporary filter), 5861 (binding), with what the record has of each."""
    data, host = record.data, record.system.computer
    domain, name = account(data.get("User"))
    wmi = Wmi(
        operation=_OPERATIONS.get(record.system.event_id or 0),
        query=known(data.get("Query")),
        filter=known(data.get("ESS")),
        consumer=known(data.get("CONSUMER")),
        namespace=known(data.get("NamespaceName")) or known(data.get("Namespace")),
    )
    return WmiEvent(
        time=record.time, user=memory.user(domain, name), wmi=wmi, winlog=winlog.whole(record),
        process=memory.acting(host, None, number(data.get("ProcessId")) or None, None),
    )  # fmt: skip
