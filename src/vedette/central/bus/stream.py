"""The stream on the bus: one message is one sealed segment, kept by several servers until a pipeline has stored it."""

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, NotFoundError

from vedette.central.settings import CentralSettings, bus_servers
from vedette.runtime.errors import ConfigError
from vedette.store.segment import HEAD_BYTES
from vedette.store.spool import SpoolLimits
from vedette.wire.limits import FRAME_BYTES

STREAM, SUBJECT, CONSUMER = "VEDETTE_SEGMENTS", "vedette.segments", "pipeline"
NUMBER = "Vedette-Segment"
"""The header with a segment's number."""
MESSAGE_BYTES = SpoolLimits().size + HEAD_BYTES + FRAME_BYTES + 1024
"""The largest segment with its headers; `max_payload` of the servers must be at least so much (16MB is)."""
KNOWN_SECONDS = 120.0
"""So long the servers drop a second copy by its number; after that the pipeline's claims do."""
MOST_IN_WORK = 10_000
"""Segments that all pipelines together hold: more than the stream has."""
ACK_SECONDS = 30.0
"""A segment of which nobody has told for so long goes to another pipeline node."""
ANSWER_SECONDS = 5.0
FIRST_DELAY, LONGEST_DELAY = 0.1, 2.0
_FULL = 10_077
"""JetStream's number of "maximum messages exceeded"."""

_LOG = logging.getLogger(__name__)


class Bus:
    """A connection to the stream, which it makes when there is none. Reconnects for ever."""

    def __init__(self, client: Client, *, replicas: int, segments: int) -> None:
        """`segments`: so many are on the bus. With more, ingest keeps them, and its pace slows returning agents: the
        queue is in the spools, so that what is on the bus is stored within seconds.
        """  # noqa: D205 - one thought
        self._client, self._replicas, self._segments = client, replicas, segments
        self._jetstream: JetStreamContext = client.jetstream(timeout=ANSWER_SECONDS)

    async def prepare(self) -> None:
        """Wait until the stream is there. Raises ConfigError when its servers or settings cannot be used."""
        if self._client.max_payload < MESSAGE_BYTES:
            raise ConfigError(
                f"the bus takes messages of {self._client.max_payload} bytes only: set max_payload: 16MB in its servers"
            )
        await _until_done(self._ensure, "the stream is not ready")

    async def publish(self, number: int, segment: bytes) -> None:
        """Give a segment to the stream; when this returns, most of its servers have it on disk."""
        headers = {"Nats-Msg-Id": str(number), NUMBER: str(number)}

        async def send() -> None:
            await self._jetstream.publish(SUBJECT, segment, timeout=ANSWER_SECONDS, stream=STREAM, headers=headers)

        await _until_done(send, f"segment {number} waits")

    async def subscribe(self) -> JetStreamContext.PullSubscription:
        """Take part in the pipelines' common queue. Raises NatsError."""
        config = ConsumerConfig(ack_wait=ACK_SECONDS, max_deliver=-1, max_ack_pending=MOST_IN_WORK)
        return await self._jetstream.pull_subscribe(SUBJECT, CONSUMER, STREAM, config)

    async def close(self) -> None:
        """Leave."""
        await self._client.close()

    async def _ensure(self) -> None:
        try:
            found = (await self._jetstream.stream_info(STREAM)).config
        except NotFoundError:
            await self._jetstream.add_stream(wanted_stream(self._replicas, self._segments))
            return
        if found.num_replicas != self._replicas or found.retention != RetentionPolicy.WORK_QUEUE:
            raise ConfigError(
                f"the stream {STREAM} has {found.num_replicas} replicas and {found.retention} retention, "
                f"not bus_replicas = {self._replicas} and workqueue: change one of them"
            )
        if found.max_msgs != self._segments:
            await self._jetstream.update_stream(found.evolve(max_msgs=self._segments))


def wanted_stream(replicas: int, segments: int) -> StreamConfig:
    """Describe the stream: durable, without a loss of its own, and short."""
    return StreamConfig(
        name=STREAM,
        subjects=[SUBJECT],
        retention=RetentionPolicy.WORK_QUEUE,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_msgs=segments,
        max_msg_size=MESSAGE_BYTES,
        num_replicas=replicas,
        duplicate_window=KNOWN_SECONDS,
    )


async def connect(settings: CentralSettings, name: str) -> Bus:
    """Connect to the first server that answers, however long that takes. Raises ConfigError."""
    options: dict[str, Any] = _credentials(settings)
    tls = _tls(settings)
    client = Client()
    try:
        await client.connect(
            bus_servers(settings),
            name=f"vedette {name} {settings.node}",
            tls=tls,
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            connect_timeout=3,
            ping_interval=5,
            max_outstanding_pings=2,
            error_cb=_tell,
            **options,
        )
    except BaseException:  # told to stop while it tries
        await client.close()
        raise
    return Bus(client, replicas=settings.bus_replicas, segments=settings.bus_segments)


def number_in(message: Msg) -> int | None:
    """Give the number of the segment in a message; None when it is none of ours."""
    text = (message.headers or {}).get(NUMBER, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 16 else None


async def _until_done(work: Any, waits: str) -> None:
    """Do `work` until the bus takes it; tells when it begins to wait, not at each try."""
    delay, told = FIRST_DELAY, False
    while True:
        try:
            await work()
        except (NatsError, OSError) as error:
            full = isinstance(error, APIError) and error.err_code == _FULL
            if not told and not full:
                _LOG.warning("%s: %s", waits, _sentence(error))
                told = True
            await asyncio.sleep(FIRST_DELAY if full else delay)
            delay = min(LONGEST_DELAY, delay * 2)
        else:
            return


async def _tell(error: Exception) -> None:
    _LOG.warning("the bus: %s", _sentence(error))


def _sentence(error: Exception) -> str:
    return "no answer in time" if isinstance(error, NatsTimeout) else str(error) or type(error).__name__


def _tls(settings: CentralSettings) -> ssl.SSLContext | None:
    if not any(server.startswith("tls://") for server in bus_servers(settings)):
        return None
    try:
        context = ssl.create_default_context(cafile=settings.bus_ca or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if settings.bus_certificate:
            context.load_cert_chain(settings.bus_certificate)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"bus_ca or bus_certificate cannot be used: {error}") from error
    return context


def _credentials(settings: CentralSettings) -> dict[str, str]:
    if not settings.bus_credentials:
        return {}
    try:
        text = Path(settings.bus_credentials).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"bus_credentials cannot be read: {error}") from error
    user, colon, password = text.partition(":")
    return {"user": user, "password": password} if colon else {"token": text}
