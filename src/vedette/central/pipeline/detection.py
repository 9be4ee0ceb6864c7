"""Detection as a pipeline process does it: engines over each batch, with the exclusions of the moment."""

import logging

from vedette.central.detection.detector import Detected, Detector
from vedette.central.detection.endpoint import EndpointDetections
from vedette.central.pipeline.state_link import StateLink
from vedette.central.rules.engines import IocEngines
from vedette.runtime.clock import Clock
from vedette.runtime.errors import StoreError
from vedette.schema.alerts import Technology
from vedette.schema.rules import RuleKind
from vedette.wire.merge import Batch

log = logging.getLogger(__name__)


class Detection:
    """Used by the thread that prepares segments."""

    def __init__(self, link: StateLink, clock: Clock, ioc: IocEngines) -> None:
        self._link, self._ioc = link, ioc
        self._of_hosts = [EndpointDetections(Technology.AM), EndpointDetections(Technology.YARA)]
        self._detector = Detector(self._of_hosts, clock)
        self._loaded = False

    def detect(self, batch: Batch) -> Detected:
        """Look at a batch; what cannot be refreshed now stays as it was."""
        try:
            self._link.refresh(self._detector)
            self._refresh_rules()
        except StoreError as error:
            log.warning("exclusions and rules stay as they were: %s", error)
        return self._detector.detect(batch)

    def _refresh_rules(self) -> None:
        """Go on with the rules of now. The first events wait for them; later ones are looked at by the old ones."""
        files = self._link.changed_rules(RuleKind.IOC)
        if files is not None:
            self._ioc.begin(files)
        made = self._ioc.finished(wait=not self._loaded)
        self._loaded = True
        if made is not None:
            self._detector.replace([*self._of_hosts, made.engine], made.scopes)
