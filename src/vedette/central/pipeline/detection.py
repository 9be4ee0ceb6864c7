"""Detection as a pipeline process does it: engines over each batch, with the exclusions of the moment."""

import logging

from vedette.central.detection.detector import Detected, Detector
from vedette.central.detection.endpoint import EndpointDetections
from vedette.central.pipeline.state_link import StateLink
from vedette.runtime.clock import Clock
from vedette.runtime.errors import StoreError
from vedette.schema.alerts import Technology
from vedette.wire.merge import Batch

log = logging.getLogger(__name__)


class Detection:
    """Used by the thread that prepares segments."""

    def __init__(self, link: StateLink, clock: Clock) -> None:
        self._link = link
        self._detector = Detector([EndpointDetections(Technology.AM), EndpointDetections(Technology.YARA)], clock)

    def detect(self, batch: Batch) -> Detected:
        """Look at a batch; what cannot be refreshed now stays as it was."""
        try:
            self._link.refresh(self._detector)
        except StoreError as error:
            log.warning("exclusions stay as they were: %s", error)
        return self._detector.detect(batch)
