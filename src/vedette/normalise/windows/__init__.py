"""Records of Windows logs (EVTX, XML, winlogbeat's JSON lines, flat JSON lines) -> our events.

`read(path)` gives the events of a file; `Normaliser` those of records that come one by one, as in the agent.
"""

from vedette.normalise.windows.files import read, records
from vedette.normalise.windows.mapping import Normaliser, types_of
from vedette.normalise.windows.record import Record
from vedette.normalise.windows.tally import Tally

__all__ = ["Normaliser", "Record", "Tally", "read", "records", "types_of"]
