"""What every event carries."""

from typing import Annotated

from msgspec import Struct

from vedette.schema.entities import Process, Session, User, Winlog
from vedette.schema.fields import Micros, doc


class Event(Struct, frozen=True, kw_only=True, tag_field="type"):
    """Something that happened on a host. Host and OS facts travel once a batch, in its header."""

    time: Annotated[Micros, doc("When it happened, by the host's clock")]
    user: Annotated[User | None, doc("Account for which the event was generated")] = None
    session: Annotated[Session | None, doc("Logon session")] = None
    process: Annotated[Process | None, doc("The process that acts, starts or stops")] = None
    winlog: Annotated[Winlog | None, doc("The Windows log record that told it, where one did")] = None
