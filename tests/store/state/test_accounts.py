"""Accounts, passwords and sessions."""

import pytest

from vedette.runtime.clock import MINUTE, SECOND
from vedette.runtime.errors import ConfigError, NotFoundError
from vedette.schema.access import Role, Scope
from vedette.store.state import State, accounts, passwords, sessions, tokens


def test_the_first_administrator_is_made_once_and_must_change_the_password(state: State) -> None:
    with state.write() as db:
        made = accounts.first_administrator(db, now=1)
        assert made is not None
        account, password = made
        assert accounts.first_administrator(db, now=2) is None
        found = accounts.credentials(db, "ADMIN")
    assert found is not None
    assert passwords.matches(password, found.password_hash)
    assert not passwords.matches(password + "x", found.password_hash)
    assert (account.role, account.must_change) == (Role.ADMINISTRATOR, 1)


def test_a_name_is_taken_in_any_case(state: State) -> None:
    with state.write() as db:
        accounts.create(db, "Ann", role=Role.OFFICER, password_hash="hash", now=1)
        with pytest.raises(ConfigError, match="ann already"):
            accounts.create(db, "ANN", role=Role.OFFICER, password_hash="hash", now=1)


def test_the_wait_after_wrong_passwords_doubles_and_ends(state: State) -> None:
    with state.write() as db:
        account = accounts.create(db, "ann", role=Role.OFFICER, password_hash="hash", now=0).id
        waits = [accounts.login_failed(db, account, now=0) for _ in range(30)]
        assert waits[:7] == [0, 0, 0, 0, 10 * SECOND, 20 * SECOND, 40 * SECOND]
        assert waits[-1] == 15 * MINUTE
        accounts.login_succeeded(db, account, now=5)
        found = accounts.get(db, account)
    assert (found.failures, found.locked_until, found.last_login) == (0, 0, 5)


def test_the_last_administrator_stays(state: State) -> None:
    with state.write() as db:
        made = accounts.first_administrator(db, now=1)
        assert made is not None
        first = made[0].id
        with pytest.raises(ConfigError, match="last administrator"):
            accounts.disable(db, first, now=2)
        with pytest.raises(ConfigError, match="last administrator"):
            accounts.set_role(db, first, Role.AUDITOR, ["default"])
        second = accounts.create(db, "bo", role=Role.ADMINISTRATOR, password_hash="hash", now=1).id
        accounts.disable(db, first, now=2)
        assert accounts.get(db, first).disabled == 2
        with pytest.raises(ConfigError, match="last administrator"):
            accounts.disable(db, second, now=2)
        accounts.enable(db, first)
        assert accounts.get(db, first).disabled is None


def test_accounts_of_other_tenants_are_not_listed(state: State, everything: Scope) -> None:
    with state.write() as db:
        accounts.create(db, "ann", role=Role.OFFICER, password_hash="hash", now=1)
        accounts.create(db, "bob", role=Role.OFFICER, password_hash="hash", now=1, tenants=["default", "x"])
        assert [account.name for account in accounts.visible(db, everything)] == ["ann"]


def test_a_session_ends_by_idling_by_age_and_by_hand(state: State) -> None:
    with state.write() as db:
        account = accounts.create(db, "ann", role=Role.OFFICER, password_hash="hash", now=1).id
        session, secret = sessions.start(db, account, address="::1", user_agent="x" * 999, now=10)
        assert sessions.of_secret(db, "other", now=10) is None
        assert sessions.of_secret(db, secret, now=10 + sessions.IDLE - 1) is not None
        assert sessions.of_secret(db, secret, now=10 + sessions.IDLE) is None
        now = 10
        while now < 10 + sessions.ABSOLUTE:
            assert sessions.of_secret(db, secret, now=now) is not None
            sessions.touch(db, session.id, now=now)
            now += sessions.IDLE - 1
        assert sessions.of_secret(db, secret, now=10 + sessions.ABSOLUTE) is None
        with pytest.raises(NotFoundError):
            sessions.end(db, session.id, "someone else")
        sessions.end(db, session.id, account)
        assert sessions.of_secret(db, secret, now=11) is None


def test_ending_all_sessions_can_spare_one(state: State) -> None:
    with state.write() as db:
        account = accounts.create(db, "ann", role=Role.OFFICER, password_hash="hash", now=1).id
        kept, _ = sessions.start(db, account, address="", user_agent="", now=1)
        sessions.start(db, account, address="", user_agent="", now=2)
        assert sessions.end_all(db, account, but=kept.id) == 1
        assert [session.id for session in sessions.of_account(db, account, now=3)] == [kept.id]


def test_an_api_token_is_found_by_its_text_only(state: State) -> None:
    with state.write() as db:
        account = accounts.create(db, "ann", role=Role.OFFICER, password_hash="hash", now=1).id
        token, secret = tokens.create_api(db, account, name="ci", rights=["hosts.read"], now=1, valid=9)
        assert secret.startswith(f"vdt_{token.id}_")
        assert tokens.api(db, secret) == token
        with pytest.raises(NotFoundError):
            tokens.api(db, f"vdt_{token.id}_guess")
        tokens.api_used(db, token.id, now=4)
        tokens.revoke_api(db, token.id, account, now=5)
        found = tokens.api_of(db, account)[0]
        assert (found.last_used, found.revoked, found.rights) == (4, 5, ["hosts.read"])
        with pytest.raises(NotFoundError):
            tokens.create_api(db, "nobody", name="ci", rights=[], now=1, valid=9)


@pytest.mark.parametrize(
    "password", ["short", "x" * 300, "aaaaaaaaaaaaaaaaaa", "ann-is-my-own-name"], ids=["short", "long", "one", "name"]
)
def test_weak_passwords_are_refused(password: str) -> None:
    assert passwords.weakness(password, account="Ann")


def test_a_one_time_password_is_strong_enough_to_keep() -> None:
    assert passwords.weakness(passwords.one_time(), account="admin") == ""
    assert passwords.one_time() != passwords.one_time()
    assert not passwords.matches("x", "not a hash")
    assert not passwords.matches("x", passwords.nobody())
