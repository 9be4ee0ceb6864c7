"""The running agent: builds the parts, keeps them going, stops them in order."""

import logging
import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from vedette import __version__
from vedette.agent.core.activity import ActivityKeeper
from vedette.agent.core.boot import this_boot
from vedette.agent.core.buffer import Buffer, Facts
from vedette.agent.core.governor import Governor, Meters
from vedette.agent.core.headers import HeaderMaker
from vedette.agent.core.hourly import HourlyLimits
from vedette.agent.core.identity import IdentityStore
from vedette.agent.core.intake import Intake
from vedette.agent.core.memory import hold_less
from vedette.agent.core.notify import Notifier
from vedette.agent.core.orders import Thrifty
from vedette.agent.core.passing import Boot
from vedette.agent.core.proxy import kept_proxy
from vedette.agent.core.renewal import Renewal
from vedette.agent.core.settings import SettingsKeeper
from vedette.agent.core.source import SourceLoop, observed
from vedette.agent.core.status import SourceReport, Status, write_status
from vedette.agent.core.tasks import TaskDesk
from vedette.agent.core.transport import Transport
from vedette.agent.core.upgrade.task import Upgrade
from vedette.agent.core.upgrade.trial import TrialKeeper
from vedette.agent.core.upgrade.versions import Versions
from vedette.agent.core.uplink import Uplink
from vedette.agent.platform import Platform, this_platform
from vedette.runtime.clock import Clock, now
from vedette.runtime.errors import SpoolFull
from vedette.schema.entities import Gap
from vedette.schema.events.base import Event
from vedette.schema.events.logs import TaskReport, TelemetryGap
from vedette.schema.policies import Settings
from vedette.schema.signed import TASKS, UPDATES
from vedette.schema.tasks import UPGRADE

log = logging.getLogger(__name__)

TICK = 5.0
"""Seconds between status files."""
STEP = 1.0
"""Seconds between looks at the budget."""
TICKS_PER_REFRESH = 12
"""Host facts are read, and old events expired, once a minute."""
TICKS_PER_JOIN = 120
"""Small batches of an offline agent are joined every ten minutes."""
FAILURE_PAUSE = 1.0
"""Seconds until a part of the agent that failed goes on."""
SOURCE_PATIENCE = 10.0
UPLINK_PATIENCE = 5.0
"""Seconds that a stopping agent waits for its sources, and for what can still be sent."""


class Agent:
    """All parts of one agent. Raises ConfigError when the host is not enrolled or the data directory is in use."""

    def __init__(
        self, data: Path, platform: Platform, clock: Clock = now, boot: Callable[[], Boot] = this_boot
    ) -> None:
        self._data, self._platform, self._clock = data, platform, clock
        self._started, self._notifier = clock(), Notifier()
        self._least_interval = 0.0
        self.failures, self.last_failure = 0, ""
        self._last_gap: Gap | None = None
        store = self._store = IdentityStore(data)
        self._identity = store.load()
        self._settings = SettingsKeeper(data / "settings.json", self._identity.settings_key, self._apply)
        settings = self._settings.load()
        self._renewal = Renewal(store, self._identity, clock)
        self._facts = platform.facts()
        self.buffer = Buffer(
            data / "buffer.sqlite",
            clock,
            boot=boot,
            agent=self._identity.agent,
            days=settings.buffer_days,
            quota=settings.buffer_bytes,
        )
        self.intake = Intake(
            self._keep, self.buffer.losses, interval=settings.send_interval, batch_events=settings.batch_events
        )
        self._header = header = HeaderMaker(self._identity, self.buffer, self._settings, clock)
        header.facts, header.mode, header.refused = lambda: self._facts, self.mode, self.refused
        self.uplink = Uplink(
            self.buffer,
            self._connect,
            header,
            settings=self._settings,
            renewal=self._renewal,
            clock=clock,
        )
        self._stop_sources, self._stop, self._leave = threading.Event(), threading.Event(), threading.Event()
        self._wake, self._told = threading.Event(), threading.Event()
        sources = platform.sources(self._identity.agent, settings)
        for source in sources:
            keep_in = getattr(source, "keep_in", None)
            if keep_in is not None:
                keep_in(data / "sources")
        emit = observed(self.intake.emit, sources)
        self._activity, self._hourly = ActivityKeeper(clock), HourlyLimits(settings.budget_events_per_hour)
        self._governor = Governor(
            settings, Meters(lambda: self.buffer.kept_bytes), set_interval=self._set_least_interval, clock=clock
        )
        self._governor.govern(sources)
        self._loops = [
            SourceLoop(source, self._hourly.gate(self._activity.watched(source.name, emit)), self._stop_sources)
            for source in sources
        ]
        self._prepare_tasks()

    def _prepare_tasks(self) -> None:
        versions = Versions(self._data)
        identity = self._identity
        desk = TaskDesk(
            self._data / "tasks.json",
            tenant=identity.tenant,
            host=identity.agent,
            report=self._report,
            clock=self._clock,
        )
        upgrade = Upgrade(versions, self._connect, self._leave_for_another)
        upgrade.key = lambda: self._identity.keys.get(UPDATES, "")
        upgrade.rate, upgrade.kernel_runs = lambda: self._settings.current.download_rate, self._kernel_runs
        desk.runners = {UPGRADE: upgrade}
        desk.key = identity.keys.get(TASKS, "")
        self._desk = self.uplink.tasks = desk
        self._trial = TrialKeeper(versions, desk)
        self._pin(self._settings.current)

    def _connect(self) -> Transport:
        identity = self._identity
        return Transport(identity.server, self._store.context(identity), kept_proxy(self._data))

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, then stop in order: sources, what waits, uplink, buffer."""
        self._told = stop
        log.info(
            "agent started agent=%s server=%s version=%s", self._identity.agent, self._identity.server, __version__
        )
        threads = [
            self._thread("intake", lambda: self.intake.loop(self._stop)),
            self._thread("uplink", lambda: self.uplink.loop(self._stop, self._wake)),
            self._thread("tasks", lambda: self._desk.loop(self._stop)),
        ]
        self._guarded("upgrade", self._trial.begin)
        self._report_gap()
        for thread in threads:
            thread.start()
        for loop in self._loops:
            loop.start()
        self._notifier.say("READY=1")
        ticks = 0
        while not stop.is_set():
            ticks += 1
            self._guarded("tick", partial(self._tick, ticks))
            self._wait_for_tick(stop)
        self._end(threads)

    def _wait_for_tick(self, stop: threading.Event) -> None:
        """Keep the budget until the next tick, or until the end."""
        for _ in range(round(TICK / STEP)):
            self._guarded("budget", self._keep_budget)
            if stop.wait(STEP):
                return

    def _thread(self, name: str, loop: Callable[[], None]) -> threading.Thread:
        """Make a thread that keeps `loop` going: an error nobody foresaw must not silence the agent."""

        def work() -> None:
            while not self._stop.is_set():
                self._guarded(name, loop)
                self._stop.wait(FAILURE_PAUSE)

        return threading.Thread(target=work, name=name, daemon=True)

    def _guarded(self, name: str, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # a supervisor: logs and counts
            self.failures += 1
            self.last_failure = f"{name}: {type(error).__name__}: {error}"
            log.exception("agent part failed name=%s failures=%d", name, self.failures)

    def mode(self) -> str:
        """Say which sources are in force, for example `kernel:tracepoint`."""
        parts = []
        for loop in self._loops:
            if loop.state.state == "running":
                mode = loop.source.status().get("mode")
                parts.append(f"{loop.source.name}:{mode}" if mode else loop.source.name)
        return ",".join(parts)

    def refused(self) -> dict[str, str]:
        """Give what this host refuses to the sources, and why: `kernel/lsm` -> reason."""
        refused: dict[str, str] = {}
        for loop in self._loops:
            found = loop.source.status().get("refused")
            if isinstance(found, dict):
                refused |= {f"{loop.source.name}/{what}": str(why) for what, why in found.items()}
        return refused

    def _keep(self, events: list[Event]) -> None:
        self._observe_losses()
        self.buffer.append(events, self._facts, offline=not self.uplink.online)
        self._wake.set()

    def _leave_for_another(self) -> None:
        """End, so that the launcher starts another version."""
        self._leave.set()
        self._told.set()

    def _report(self, report: TaskReport) -> None:
        """Put a report into the buffer at once: its task is over for the journal once this returns."""
        try:
            self._keep([report])
        except SpoolFull:
            self.intake.emit(report)  # waits in memory like all events of a full disk

    def _kernel_runs(self) -> bool:
        return any(
            loop.source.name == "kernel" and loop.source.status().get("observing") is True for loop in self._loops
        )

    def _observe_losses(self) -> None:
        for loop in self._loops:
            self.buffer.losses.observe(loop.source.name, loop.source.drops())
            if isinstance(loop.source, Thrifty):
                self.buffer.throttled.observe(loop.source.name, loop.source.throttled())
        self.buffer.throttled.observe("hourly", self._hourly.throttled())

    def _keep_budget(self) -> None:
        self._hourly.refill()
        self._governor.step()

    def _set_least_interval(self, seconds: float) -> None:
        self._least_interval = seconds
        self.intake.interval = max(seconds, self._settings.current.send_interval)

    def _report_gap(self) -> None:
        for gap in self.buffer.take_gaps():
            self._tell_gap(gap)

    def _tell_gap(self, gap: Gap) -> None:
        self._last_gap = gap
        log.warning("telemetry gap reason=%s count=%s start=%s end=%s", gap.reason, gap.count, gap.start, gap.end)
        self.intake.emit(TelemetryGap(time=self._clock(), gap=gap))

    def _tick(self, number: int) -> None:
        self._observe_losses()
        self._report_gap()
        if number % TICKS_PER_REFRESH == 0:
            self._facts = self._read_facts()
            self._tidy(self.buffer.expire)
        if number % TICKS_PER_JOIN == 0 and not self.uplink.online:
            self._tidy(self.buffer.join)
        self._look_at_trial()
        self._write_status(running=True)
        link = self.uplink.link
        self._notifier.say(
            "WATCHDOG=1", f"STATUS={link.state}, {link.events} events sent, {self.buffer.stats().events} wait"
        )

    def _look_at_trial(self) -> None:
        runs = self._kernel_runs()
        since = self._trial.seeing() if runs else None
        if since is not None:
            self._tell_gap(Gap(reason="upgrade", start=since, end=self._clock()))
        self._trial.look(online=self.uplink.link.last_contact is not None, kernel_runs=runs)

    def _tidy(self, action: Callable[[], int]) -> None:
        """Let go of what is too old, or join small batches while nobody listens."""
        try:
            count = action()
        except SpoolFull as error:
            log.warning("buffer cannot be tidied problem=%s", error)
        else:
            if count:
                log.info("buffer tidied by=%s count=%d", action.__name__, count)

    def _read_facts(self) -> Facts:
        try:
            return self._platform.facts()
        except OSError as error:
            log.warning("host facts not read problem=%s", error)
            return self._facts

    def _pin(self, settings: Settings) -> None:
        """Take keys that enrolment did not give: this host was enrolled before there were such."""
        self._identity = self._store.pin(self._identity, settings.keys)
        self._desk.key = self._identity.keys.get(TASKS, "")

    def _apply(self, settings: Settings) -> None:
        self._pin(settings)
        self.intake.batch_events = settings.batch_events
        self.intake.interval = max(self._least_interval, settings.send_interval)
        self._governor.apply(settings)
        self._hourly.set(settings.budget_events_per_hour)
        self.buffer.days, self.buffer.quota = settings.buffer_days, settings.buffer_bytes
        for loop in self._loops:
            apply = getattr(loop.source, "apply", None)
            if apply is not None:
                apply(settings)
        self.intake.wake()

    def _end(self, threads: list[threading.Thread]) -> None:
        log.info("agent stops")
        if not self._leave.is_set():
            # To leave for another version is not to stop: systemd would then end the launcher too.
            self._notifier.say("STOPPING=1")
        self._stop_sources.set()
        for loop in self._loops:
            if not loop.join(SOURCE_PATIENCE):
                log.warning("source does not stop name=%s", loop.source.name)
        self._stop.set()
        self._wake.set()
        self._desk.wake()
        self.intake.wake()
        for thread in threads:
            thread.join(UPLINK_PATIENCE)
        self._observe_losses()
        if not self.intake.flush():
            log.error("events lost at stop count=%d", self.intake.waiting())
        if not threads[1].is_alive():
            self.uplink.drain(UPLINK_PATIENCE)
            if not self._leave.is_set():  # a host whose new version stays silent must be missed
                self._header.stopping = True
                self.uplink.say_goodbye()
            self.uplink.close()
        self._write_status(running=False)
        self.buffer.close()
        log.info("agent stopped")

    def _write_status(self, *, running: bool) -> None:
        status = Status(
            version=__version__,
            pid=os.getpid(),
            started=self._started,
            updated=self._clock(),
            running=running,
            agent=self._identity.agent,
            tenant=self._identity.tenant,
            group=self._identity.group,
            server=self._identity.server,
            certificate_expires=self._renewal.expires,
            mode=self.mode(),
            link=self.uplink.link,
            buffer=self.buffer.stats(),
            waiting=self.intake.waiting(),
            losses=self.buffer.losses.totals(),
            last_gap=self._last_gap,
            throttled=self.buffer.throttled.totals(),
            budget=self._governor.report(),
            events_per_hour=self._hourly.report(),
            settings_version=self._settings.current.version,
            settings_problem=self._settings.problem,
            sources=[SourceReport(loop=loop.state, details=loop.source.status()) for loop in self._loops],
            failures=self.failures,
            last_failure=self.last_failure,
            cpu_seconds=self._governor.last.cpu,
            rss_bytes=self._governor.last.rss,
            activity=self._activity.tick(self.uplink.link.bytes),
        )
        try:
            write_status(self._data, status)
        except OSError as error:
            log.warning("status not written problem=%s", error)


def run(data: Path, stop: threading.Event, *, platform: Platform | None = None, clock: Clock = now) -> None:
    """Run the agent whose data is in `data` until `stop` is set."""
    hold_less()
    Agent(data, platform or this_platform(data), clock).run(stop)
