"""What the sources of one agent share."""

from typing import NamedTuple

from vedette.agent.linux.acting import ActingProcesses
from vedette.agent.linux.logins import Logins


class Shared(NamedTuple):
    """The login sessions, and the way to the process table."""

    logins: Logins
    acting: ActingProcesses
