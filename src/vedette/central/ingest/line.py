"""The line of agents that were told to come later: who came first is called first, however often others ask.

A place is kept between an agent's visits, so asking again gains nothing and coming late loses nothing. An agent that
was let in stands at the end for its next batch, so all go forward alike.
"""

from collections import OrderedDict

import msgspec

from vedette.runtime.clock import SECOND
from vedette.schema.fields import Micros

KEPT = 900 * SECOND
"""How long a place is kept for an agent that does not come: above the longest wait that it is told."""
LATE = 1.25
"""Agents come up to a fifth later than they were told, so that they do not come as one."""
SOON = 1
"""Seconds of the shortest wait."""
LONGEST_TURN = 600
"""Seconds of the longest wait that is told; who comes then keeps its place."""


class _Place(msgspec.Struct):
    """Where an agent stands: behind `start` events of all that ever stood here; it comes from `told` to `back`."""

    start: int
    count: int
    told: Micros
    back: Micros


class Line:
    """Places in the order in which they were taken, then those that were called and have not come yet."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, _Place] = OrderedDict()
        self._called: dict[str, _Place] = {}
        self._end = 0
        self._front = 0

    def __len__(self) -> int:
        """Count the agents that wait to be called."""
        return len(self._waiting)

    def is_called(self, agent: str) -> bool:
        """Whether it is this agent's turn."""
        return agent in self._called

    def is_early(self, agent: str, at: Micros) -> bool:
        """Whether an agent waits and has come before it was told to."""
        place = self._waiting.get(agent)
        return place is not None and at < place.told

    def stand(self, agent: str, count: int, at: Micros, *, speed: float) -> int:
        """Give the seconds after which to come again, if `speed` events a second are called.

        An agent that has no place is put at the end.
        """
        place = self._called.get(agent) or self._waiting.get(agent)
        if place is None:
            place = self._waiting[agent] = _Place(self._end, count, at, at)
            self._end += count
        ahead = max(0, place.start - self._front)
        wait = min(LONGEST_TURN, SOON + round(ahead / speed))
        place.told = at + wait * SECOND
        place.back = at + round(LATE * wait * SECOND) + SECOND
        return wait

    def leave(self, agent: str) -> None:
        """Take an agent out: it was let in."""
        self._called.pop(agent, None)
        self._waiting.pop(agent, None)

    def call(self, room: int, most: int, at: Micros) -> None:
        """Call the first ones for whom there is room, as long as no more than `most` events are called and expected."""
        self._called = {agent: place for agent, place in self._called.items() if at - place.back < KEPT}
        room = min(room, most - sum(place.count for place in self._called.values() if place.back >= at))
        while room > 0 and self._waiting:
            agent, place = self._waiting.popitem(last=False)
            self._front = place.start + place.count
            self._called[agent] = place
            if place.back >= at:  # else it has gone, and others need not wait for it
                room -= place.count
