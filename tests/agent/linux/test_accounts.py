"""Names of users, groups and sessions."""

from __future__ import annotations

from vedette.agent.linux.accounts import TRUSTED, Accounts
from vedette.probes.records import NO_ID


class Directory:
    """A user directory that counts what it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.names = {0: "root", 7: "alice"}
        self.now = 0

    def user(self, uid: int) -> tuple[str | None, int | None]:
        self.asked += 1
        return self.names.get(uid), 100 if uid in self.names else None

    def accounts(self) -> Accounts:
        return Accounts(lambda: self.now, user=self.user, group={0: "root", 100: "users"}.get)


def test_all_three_identities_have_their_names_and_groups() -> None:
    user = Directory().accounts().user((7, 100, 0, 0, 7))
    assert user.login is not None
    assert user.real is not None
    assert user.effective is not None
    assert (user.name, user.id) == ("root", "0")
    assert (user.login.name, user.login.group) == ("alice", "users")
    assert (user.real.name, user.real.id, user.real.group, user.real.group_id) == ("alice", "7", "users", "100")
    assert (user.effective.name, user.effective.group) == ("root", "root")


def test_an_unset_login_identity_is_unknown() -> None:
    assert Directory().accounts().user((7, 100, 7, 100, NO_ID)).login is None


def test_an_account_without_a_name_keeps_its_id() -> None:
    user = Directory().accounts().user((99, 98, 99, 98, 97))
    assert user.real is not None
    assert user.login is not None
    assert (user.name, user.id, user.real.group, user.real.group_id) == (None, "99", None, "98")
    assert (user.login.group, user.login.group_id) == (None, None)


def test_the_same_ids_are_one_object_and_asked_for_once() -> None:
    directory = Directory()
    accounts = directory.accounts()
    assert accounts.user((7, 100, 7, 100, 7)) is accounts.user((7, 100, 7, 100, 7))
    assert directory.asked == 1


def test_a_changed_name_is_seen_after_a_while() -> None:
    directory = Directory()
    accounts = directory.accounts()
    accounts.user((7, 100, 7, 100, NO_ID))
    directory.names[7] = "bob"
    directory.now = TRUSTED + 1
    assert accounts.user((7, 0, 7, 0, NO_ID)).name == "bob"


def test_a_session_that_nothing_is_known_of_is_none() -> None:
    assert Directory().accounts().session(NO_ID, NO_ID, "", "") is None


def test_a_remote_session_names_its_host_and_user() -> None:
    session = Directory().accounts().session(4, 7, "pts0", "198.51.100.9")
    assert session is not None
    assert (session.id, session.user, session.tty) == ("4", "alice", "pts/0")
    assert (session.type, session.remote_host) == ("remote", "198.51.100.9")


def test_real_names_come_from_the_system() -> None:
    assert Accounts().user_name(0) == "root"
    assert Accounts().group_name(0) == "root"
    assert Accounts().user_name(2**32 - 2) is None or isinstance(Accounts().user_name(2**32 - 2), str)
