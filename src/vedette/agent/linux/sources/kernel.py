"""What the kernel observes: processes, files, network, modules; in the best mode that this host takes.

The modes are tried from the best to the poorest, unless one is forced. What was refused, and why, is kept: it is shown
in the status and sent to the Central Node.
"""

import gc
import logging
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack

from vedette.agent.core.orders import Orders
from vedette.agent.linux.hashing import Hasher
from vedette.agent.linux.sources.decoder import Decoder
from vedette.agent.linux.sources.mode import Mode
from vedette.agent.linux.sources.modes import MODES
from vedette.agent.linux.sources.savings import Savings
from vedette.agent.linux.sources.shared import Shared
from vedette.runtime.clock import now
from vedette.runtime.errors import ProbeError
from vedette.schema.entities import Gap
from vedette.schema.events.base import Event
from vedette.schema.events.logs import TelemetryGap
from vedette.schema.policies import Settings

log = logging.getLogger(__name__)


class KernelSource:
    """The source `kernel`. `only`: a mode that is forced; "" tries all."""

    name = "kernel"

    def __init__(self, host_id: str, settings: Settings, shared: Shared | None = None, *, only: str = "") -> None:
        if only and only not in MODES:
            raise ValueError(f"there is no mode {only}")
        self._only = only
        self._host_id, self._settings, self._shared = host_id, settings, shared
        self._mode: Mode | None = None
        self._decoder: Decoder | None = None
        self._savings, self._orders = Savings(), Orders()
        self._refused: dict[str, str] = {}
        self._observing = False
        self._ended: tuple[int, str] | None = None

    def apply(self, settings: Settings) -> None:
        """Take other settings while running; called from any thread, in force with the next records."""
        self._settings = settings
        if self._decoder is not None:
            self._decoder.wanted = settings

    def save(self, orders: Orders) -> None:
        """Cost less from now on, or no longer; called by any thread, in force with the next records."""
        self._orders = orders
        if self._decoder is not None:
            self._decoder.ordered = orders

    def supported(self) -> str:
        """Give "" when it can run here, else why not."""
        return "" if os.geteuid() == 0 else "kernel events need root"

    def run(self, emit: Callable[[Event], None], stop: threading.Event) -> None:
        """Observe until `stop` is set. Raises ProbeError when no mode, or not the forced one, can run or go on."""
        with ExitStack() as cleanup:
            settings = self._settings
            hasher = Hasher(largest=settings.hash_max_bytes)
            cleanup.callback(hasher.stop)
            decoder = self._decoder = Decoder(self._host_id, settings, emit, hasher, self._shared, self._savings)
            decoder.wanted, decoder.ordered = self._settings, self._orders
            # Once before and once after collecting begins, so that no start falls between.
            decoder.take_inventory()
            mode = self._started(decoder, cleanup)
            decoder.take_inventory()
            _calm_collector()
            self._mode, self._observing = mode, True
            cleanup.callback(self._end, mode)
            self._tell_gap(mode, emit)
            log.info("observing mode=%s refused=%s", mode.name, self.refused() or "nothing")
            mode.observe(stop)
            decoder.finish()

    def _started(self, decoder: Decoder, cleanup: ExitStack) -> Mode:
        """Give the first mode that starts; `cleanup` ends it."""
        self._refused = {}
        for name in [self._only] if self._only else MODES:
            mode = MODES[name]()
            with ExitStack() as own:
                try:
                    mode.start(decoder, own)
                except ProbeError as error:
                    self._refused[name] = str(error)
                    log.warning("mode refused mode=%s reason=%s", name, error)
                else:
                    cleanup.push(own.pop_all())
                    return mode
        if self._only:
            raise ProbeError(f"mode {self._only} is forced and cannot run: {self._refused[self._only]}")
        raise ProbeError(f"this host refuses every mode, the last one because: {list(self._refused.values())[-1]}")

    def _end(self, mode: Mode) -> None:
        self._observing, self._ended = False, (now(), mode.name)

    def _tell_gap(self, mode: Mode, emit: Callable[[Event], None]) -> None:
        """Say since when nothing was seen: the source broke and was started again, perhaps in another mode."""
        if self._ended is None:
            return
        since, former = self._ended
        reason = "source_restarted" if former == mode.name else f"mode_change:{former}:{mode.name}"
        emit(TelemetryGap(time=now(), gap=Gap(reason=reason, start=since, end=now())))

    @property
    def mode(self) -> str:
        """The mode in force."""
        return self._mode.name if self._mode is not None and self._observing else "stopped"

    def refused(self) -> dict[str, str]:
        """Modes, and parts of the mode in force, that this host refuses, and why."""
        return self._refused | (self._mode.refused if self._mode is not None and self._observing else {})

    def drops(self) -> dict[str, int]:
        """Event type -> lost since `run` began."""
        return {} if self._mode is None else self._mode.drops()

    def throttled(self) -> dict[str, int]:
        """Event type/policy -> events left out since this source was made, in the kernel or after it."""
        if self._mode is not None:
            self._mode.count_left_out()
        return self._savings.throttled()

    def status(self) -> dict[str, object]:
        """Mode, refusals and their reasons, fill of what lies between kernel and decoder."""
        status: dict[str, object] = {"mode": self.mode, "observing": self._observing, "refused": self.refused()}
        if self._only:
            status["forced"] = self._only
        if self._mode is not None and self._observing:
            status |= self._mode.status()
        if self._decoder is not None:
            status |= self._decoder.status()
        return status


def _calm_collector() -> None:
    """Let the garbage collector look rarely: a full pass over the tables would stop the draining thread."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
