"""The settings in force: verified with the pinned key, never older than what was there, kept over restarts."""

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from vedette.runtime.errors import IdentityError, VedetteError
from vedette.runtime.files import write_atomic
from vedette.schema.policies import Settings, SignedSettings
from vedette.wire.signature import verify_settings

log = logging.getLogger(__name__)


class SettingsKeeper:
    """Holds the settings of this agent; `apply` is called with each new document."""

    def __init__(self, path: Path, public_key: str, apply: Callable[[Settings], None]) -> None:
        self._path, self._key, self._apply = path, public_key, apply
        self.current = Settings()
        self.problem = ""
        """Why the last document was not taken."""

    def load(self) -> Settings:
        """Read what was kept; a file that does not verify counts as none, so defaults hold until the next fetch."""
        try:
            document = msgspec.json.decode(self._path.read_bytes(), type=SignedSettings)
            self.current = verify_settings(document, self._key)
        except FileNotFoundError:
            pass
        except (OSError, msgspec.DecodeError, VedetteError) as error:
            self.problem = f"kept settings not used: {error}"
            log.warning("settings not used problem=%s", error)
        return self.current

    def wants(self, version: int) -> bool:
        """Say whether a document of `version` would be newer."""
        return version > self.current.version

    def take(self, document: SignedSettings) -> None:
        """Verify, keep and apply `document`. Raises IdentityError or WireError; the old settings then stay."""
        try:
            settings = verify_settings(document, self._key)
            if settings.version < self.current.version:
                problem = f"settings version {settings.version} is older than {self.current.version}"
                raise IdentityError(problem, reason="old_settings")
        except VedetteError as error:
            self.problem = str(error)
            raise
        write_atomic(self._path, msgspec.json.encode(document))
        self.current, self.problem = settings, ""
        log.info("settings applied version=%d group=%s", settings.version, settings.group)
        self._apply(settings)
