"""Where the Central Node keeps things on disk: one private directory, one path for each purpose."""

from pathlib import Path

from vedette.schema.signed import TASKS, UPDATES

_PRIVATE = 0o700


class Layout:
    """The paths under a data directory. Directories are 0700, files 0600 but for the CA's certificate."""

    def __init__(self, data: Path) -> None:
        self.data = data.absolute()
        self.settings_file = self.data / "central.toml"
        self.client_config = self.data / "client.toml"
        """For the first administrator's command line: URL, CA and token."""

        self.keys = self.data / "keys"
        self.ca_key = self.keys / "ca.pem"
        """The deployment's CA: P-256 key and certificate."""
        self.settings_key = self.keys / "settings.pem"
        """Signs settings documents: Ed25519."""
        self.audit_key = self.keys / "audit.pem"
        """Seals the audit log: Ed25519."""
        self.tasks_key = self.keys / "tasks.pem"
        """Signs tasks for hosts: Ed25519."""
        self.updates_key = self.keys / "updates.pem"
        """Signs the manifests of agent releases: Ed25519."""

        self.objects_key = self.keys / "objects.key"
        """Encrypts what is in Storage: 32 random bytes."""

        self.tls = self.data / "tls"
        self.ca_certificate = self.tls / "ca.pem"
        self.server_certificate = self.tls / "server.pem"
        """Certificate and key of this server, in one file so that they always fit each other."""

        self.spool = self.data / "spool"
        self.received = self.data / "received"
        """Segments that came by the bus, until they are stored."""
        self.store = self.data / "store"
        self.engine = self.store / "engine"
        self.reserve = self.data / "store" / "reserve"
        """Disk space kept back, so that old events can be removed from a full disk."""
        self.dead_letter = self.data / "dead-letter"
        self.releases = self.data / "releases"
        self.compiled = self.data / "compiled"
        """What engines make of rules: made again from the rules when it is not there."""
        self.objects = self.data / "objects"
        """Storage: files to scan and results of tasks, encrypted."""
        self.state_file = self.data / "state.sqlite"

        self.copying = self.data / "copying"
        """Hard links to what a backup copies, while it does."""
        self.restoring = self.data / "restoring"
        """Is there while a backup is restored to this directory, and after when that did not end."""

        self.run = self.data / "run"
        self.lock = self.run / "lock"
        self.upkeep_lock = self.run / "upkeep.lock"
        """Held by whoever removes events or copies them: the upkeep, a backup."""
        self.ports = self.run / "ports.json"
        self.store_password = self.run / "store-password"
        """Of this node's own store, new at each start."""
        self.remote_password = self.keys / "store-password"
        """Of the store that `store_url` names; put there by the operator."""

    @property
    def pinned_keys(self) -> dict[str, Path]:
        """Purpose -> key whose public half agents pin, beside the one for settings."""
        return {TASKS: self.tasks_key, UPDATES: self.updates_key}

    @property
    def state_url(self) -> str:
        """The URL of the state database that is used unless the settings name another."""
        return f"sqlite:///{self.state_file}"

    def ready(self, part: str) -> Path:
        """Give the file in which `part` writes its port once it serves."""
        return self.run / f"{part}.ready"

    def create(self) -> None:
        """Make the directories that are missing and take from others what they may not have."""
        folders = (self.keys, self.tls, self.spool, self.store, self.dead_letter, self.releases, self.objects, self.run)
        for folder in (self.data, *folders):
            folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
            if folder.stat().st_mode & 0o777 != _PRIVATE:
                folder.chmod(_PRIVATE)
