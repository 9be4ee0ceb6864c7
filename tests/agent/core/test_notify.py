"""sd_notify."""

import socket
from pathlib import Path

from vedette.agent.core.notify import Notifier


def test_words_reach_the_service_manager(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "n"))
        manager.settimeout(5)
        Notifier({"NOTIFY_SOCKET": str(tmp_path / "n")}).say("READY=1", "STATUS=online")
        assert manager.recv(100) == b"READY=1\nSTATUS=online"


def test_an_abstract_socket_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("")  # autobind gives an abstract name
        manager.settimeout(5)
        name = manager.getsockname().decode()
        Notifier({"NOTIFY_SOCKET": f"@{name[1:]}"}).say("WATCHDOG=1")
        assert manager.recv(100) == b"WATCHDOG=1"


def test_without_a_service_manager_nothing_happens(tmp_path: Path) -> None:
    Notifier({}).say("READY=1")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).say("READY=1")
