"""Packets of port 53 -> dns_query: a question with its answer, or after a while without one."""

from collections import OrderedDict
from typing import NamedTuple

from vedette.agent.linux.dns_message import Message, parse
from vedette.agent.linux.dns_streams import DnsStreams
from vedette.agent.linux.processes import Image
from vedette.agent.linux.sources.model import Model
from vedette.agent.linux.sources.network_events import address, protocol_name
from vedette.agent.linux.sources.process_events import ProcessEvents
from vedette.probes import records
from vedette.schema.entities import Dns, Process, Session, Socket, User
from vedette.schema.events.network import DnsQuery

PATIENCE = 5_000_000_000
"""Nanoseconds that a question waits for its answer: what resolvers of programs wait, too."""
MOST = 4096
"""Questions that wait at most; the oldest then goes without its answer."""
NO_ANSWER = "TIMEOUT"
_TCP = 6


class Key(NamedTuple):
    """What a question and its answer have in common."""

    cookie: int
    resolver: bytes
    number: int
    name: str
    type: str


class Question(NamedTuple):
    """A question that waits, and who asked it."""

    name: str
    deadline: int
    time: int
    user: User
    session: Session | None
    image: Image
    ends: Socket


class DnsEvents:
    """Joins answers to questions. One thread uses it."""

    def __init__(self, model: Model, processes: ProcessEvents) -> None:
        self._model, self._processes = model, processes
        self._streams = DnsStreams()
        self._waiting: OrderedDict[Key, Question] = OrderedDict()
        self.malformed = self.unmatched = self.early = 0

    def packet(self, record: records.Dns) -> None:
        """Take a packet."""
        is_answer = bool(record.flags & records.ANSWER)
        messages = [record.data]
        if record.protocol == _TCP:
            stream = (record.cookie, is_answer)
            messages = self._streams.add(stream, record.sequence, record.data, length=record.length)
        for data in messages:
            message = parse(data)
            if message is None or message.is_answer != is_answer:
                self.malformed += 1
                continue
            key = Key(record.cookie, record.remote, message.number, message.name.lower(), message.type)
            if is_answer:
                self._answer(key, message)
            else:
                self._ask(key, message.name, record)

    def tick(self, now: int) -> None:
        """Tell the questions that nobody answered. `now` in nanoseconds since boot."""
        while self._waiting and next(iter(self._waiting.values())).deadline <= now:
            key, question = self._waiting.popitem(last=False)
            self._tell(question, Dns(query=question.name, type=key.type, status=NO_ANSWER))

    def finish(self) -> None:
        """Tell the questions whose answers nobody will see."""
        while self._waiting:
            self._tell_early()

    def status(self) -> dict[str, object]:
        """How many packets could not be used, and how many questions wait."""
        return {
            "waiting": len(self._waiting),
            "malformed": self.malformed,
            "unmatched": self.unmatched,
            "told_early": self.early,
            "broken_streams": self._streams.broken,
        }

    def _ask(self, key: Key, name: str, record: records.Dns) -> None:
        if key in self._waiting:
            return  # asked again
        if len(self._waiting) >= MOST:
            self._tell_early()
        model = self._model
        life = self._processes.acting(record)
        ends = Socket(
            protocol=protocol_name(record.protocol),
            direction="outbound",
            local_ip=address(record.family, record.local),
            local_port=record.local_port,
            remote_ip=address(record.family, record.remote),
            remote_port=record.remote_port,
        )
        self._waiting[key] = Question(
            name,
            record.time + PATIENCE,
            model.clock.micros(record.time),
            model.accounts.user(record.ids),
            life.session,
            self._processes.image_of(life, record.time),
            ends,
        )

    def _answer(self, key: Key, message: Message) -> None:
        question = self._waiting.pop(key, None)
        if question is None:
            self.unmatched += 1
            return
        self._tell(question, Dns(query=question.name, type=key.type, answers=message.answers, status=message.code))

    def _tell_early(self) -> None:
        self.early += 1
        key, question = self._waiting.popitem(last=False)
        self._tell(question, Dns(query=question.name, type=key.type))

    def _tell(self, question: Question, dns: Dns) -> None:
        emit = self._model.emit

        def ready(process: Process) -> None:
            emit(
                DnsQuery(
                    time=question.time,
                    user=question.user,
                    session=question.session,
                    process=process,
                    dns=dns,
                    socket=question.ends,
                )
            )

        question.image.when_ready(ready)
