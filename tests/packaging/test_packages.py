"""The Debian package in a scratch root: install, run, upgrade, remove, purge. It is built first if it is not there."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vedette.agent.core.batches import Facts
from vedette.agent.core.buffer import Buffer
from vedette.agent.core.identity import Identity, IdentityStore
from vedette.runtime.clock import now
from vedette.schema.entities import Process
from vedette.schema.events.process import ProcessStop
from vedette.wire.release import check_archive

ROOT = Path(__file__).parents[2]
DIST = ROOT / "dist"
IDENTITY = Identity(server="https://c:1", agent="a" * 32, tenant="t", group="g", ca="", settings_key="")

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is not here"),
]


def dpkg(root: Path, *arguments: str) -> None:
    # Scripts run outside, told by DPKG_ROOT where: the scratch root has no shell.
    options = [f"--root={root}", "--force-depends", "--force-script-chrootless"]
    done = subprocess.run(["dpkg", *options, *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def inside(root: Path, *command: str) -> str:
    """Run a command with the package's /opt/vedette in its place, in a mount namespace of its own."""
    script = 'mount -t tmpfs none /opt && mkdir /opt/vedette && mount --bind "$0/opt/vedette" /opt/vedette && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, str(root), *command], check=False, capture_output=True, text=True
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def package() -> Path:
    """Give the package of this source."""
    sources = [
        path.stat().st_mtime
        for folder in ("src", "packaging")
        for path in (ROOT / folder).rglob("*.*")
        if path.suffix != ".pyc"
    ]
    if not any(path.stat().st_mtime > max(sources) for path in DIST.glob("*.rpm")):  # what is built last
        subprocess.run([sys.executable, str(ROOT / "packaging/build.py")], check=True)
    return max(DIST.glob("vedette-agent_*.deb"), key=lambda path: path.stat().st_mtime)


@pytest.fixture
def root(tmp_path: Path, package: Path) -> Path:
    root = tmp_path / "root"
    for folder in ("info", "updates", "triggers"):
        (root / "var/lib/dpkg" / folder).mkdir(parents=True)
    for file in ("status", "available"):
        (root / "var/lib/dpkg" / file).touch()
    dpkg(root, "--install", str(package))
    return root


def waiting(data: Path) -> int:
    buffer = Buffer(data / "buffer.sqlite", now)
    try:
        return buffer.stats().events
    finally:
        buffer.close()


def test_it_runs_on_the_systems_python_with_its_own_libraries(root: Path) -> None:
    python = (root / "opt/vedette/bin/python").readlink()
    if not python.exists():
        pytest.skip(f"{python} is not on this host")
    assert inside(root, "/opt/vedette/bin/vedette", "--version").startswith("vedette, version ")
    assert "is not enrolled" in inside(root, "/opt/vedette/bin/vedette", "agent", "status", "--data", "/nowhere")
    program = (
        "import sys, yara_x; from vedette.schema.policies import Settings;"
        "from vedette.agent.linux.sources.kernel import KernelSource;"
        "print(sys.prefix, repr(KernelSource('0' * 32, Settings()).supported()))"
    )
    assert inside(root, "/opt/vedette/bin/python", "-c", program) == "/opt/vedette ''\n"


def test_its_launcher_starts_its_agent(root: Path, tmp_path: Path) -> None:
    python = (root / "opt/vedette/bin/python").readlink()
    if not python.exists():
        pytest.skip(f"{python} is not on this host")
    command = next(
        line.removeprefix("ExecStart=")
        for line in (root / "usr/lib/systemd/system/vedette-agent.service").read_text().splitlines()
        if line.startswith("ExecStart=")
    )
    told = inside(root, *command.replace("/var/lib/vedette-agent", str(tmp_path / "data")).split())
    assert "this host is not enrolled" in told


@pytest.mark.usefixtures("package")
def test_the_release_archive_is_one_that_a_central_node_takes() -> None:
    archive = max(DIST.glob("vedette-agent-*.tar.zst"), key=lambda path: path.stat().st_mtime)
    with archive.open("rb") as file:
        manifest, _ = check_archive(file)
    assert archive.name == f"vedette-agent-{manifest.version}-{manifest.platform}-py{manifest.python}.tar.zst"


def test_an_upgrade_keeps_what_waits_a_removal_deletes_it_and_a_purge_all(root: Path, package: Path) -> None:
    unit, data = root / "usr/lib/systemd/system/vedette-agent.service", root / "var/lib/vedette-agent"
    assert (
        "ExecStart=/opt/vedette/bin/python -I -S /opt/vedette/bin/launcher.py /var/lib/vedette-agent"
        in unit.read_text()
    )
    assert (root / "usr/bin/vedette").readlink() == Path("/opt/vedette/bin/vedette")
    assert data.stat().st_mode & 0o777 == 0o700
    IdentityStore(data).save(IDENTITY, b"key", "certificate")
    buffer = Buffer(data / "buffer.sqlite", now)
    buffer.append([ProcessStop(time=now(), process=Process(pid=number)) for number in range(50)], Facts())
    buffer.close()
    dpkg(root, "--install", str(package))
    assert waiting(data) == 50
    assert IdentityStore(data).load() == IDENTITY
    dpkg(root, "--remove", "vedette-agent")
    assert (list(data.glob("buffer*")), unit.exists(), (root / "opt/vedette").exists()) == ([], False, False)
    assert IdentityStore(data).load() == IDENTITY
    dpkg(root, "--purge", "vedette-agent")
    assert not data.exists()
