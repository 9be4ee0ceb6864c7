"""Signing in: cookies, CSRF, waiting after wrong passwords, one-time passwords, sessions."""

import pytest
from tests.central.api.conftest import PASSWORD, Api

from vedette.central.api.parts import Limits
from vedette.runtime.clock import HOUR, MINUTE, SECOND
from vedette.schema.access import Role
from vedette.store.state import accounts


def first_administrator(api: Api) -> str:
    """Make the first account; give its one-time password."""
    with api.state.write() as db:
        made = accounts.first_administrator(db, now=api.clock())
    assert made is not None
    return made[1]


def test_a_login_sets_a_cookie_that_scripts_and_other_sites_do_not_get(api: Api) -> None:
    api.account("ann", Role.OFFICER)
    answer = api.client().post("/login", json={"name": "Ann", "password": PASSWORD})
    name, _, attributes = answer.headers["Set-Cookie"].partition("=")
    assert name == "__Host-vedette"
    words = {word.strip().lower() for word in attributes.split(";")[1:]}
    assert {"httponly", "secure", "samesite=strict", "path=/"} <= words
    assert "domain" not in attributes.lower()
    assert answer.json()["rights"] == sorted(answer.json()["rights"])
    entry = api.audited()[-1]
    assert (entry.action, entry.actor, entry.outcome, entry.address) == ("session.login", "ann", "done", "127.0.0.1")


def test_a_one_time_password_opens_nothing_but_its_change(api: Api) -> None:
    password = first_administrator(api)
    client = api.signed_in("admin", password)
    assert client.get("/me").json()["must_change_password"] is True
    for path in ("/hosts", "/fields", "/sessions", "/audit"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:vedette:problem:password-must-change")
    weak = client.put("/me/password", json={"current": password, "new": "short"})
    assert (weak.status_code, weak.json()["type"]) == (422, "urn:vedette:problem:weak-password")
    same = client.put("/me/password", json={"current": password, "new": password})
    assert same.status_code == 422
    wrong = client.put("/me/password", json={"current": "wrong", "new": PASSWORD})
    assert (wrong.status_code, wrong.json()["type"]) == (403, "urn:vedette:problem:wrong-password")
    assert client.put("/me/password", json={"current": password, "new": PASSWORD}).status_code == 204
    assert client.get("/hosts").status_code == 200
    assert api.client().post("/login", json={"name": "admin", "password": password}).status_code == 401
    assert api.signed_in("admin").get("/me").json()["must_change_password"] is False


def test_a_new_password_ends_the_other_sessions(api: Api) -> None:
    api.account("ann", Role.OFFICER)
    other, mine = api.signed_in("ann"), api.signed_in("ann")
    assert mine.put("/me/password", json={"current": PASSWORD, "new": PASSWORD + "!"}).status_code == 204
    assert other.get("/me").status_code == 401
    assert mine.get("/me").status_code == 200


@pytest.mark.parametrize("header", [{}, {"X-Vedette-CSRF": "guess"}])
def test_a_change_with_a_cookie_needs_the_csrf_header(api: Api, header: dict[str, str]) -> None:
    api.account("ann", Role.ADMINISTRATOR)
    client = api.signed_in("ann")
    del client.headers["X-Vedette-CSRF"]
    answer = client.post("/groups", json={"name": "lab"}, headers=header)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:vedette:problem:csrf")
    assert client.get("/groups").json()[0]["name"] == "default"
    assert api.audited()[-1].detail["problem"] == "csrf"


def test_a_change_that_another_site_causes_is_refused(api: Api) -> None:
    api.account("ann", Role.ADMINISTRATOR)
    client = api.signed_in("ann")
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 201)):
        answer = client.post("/groups", json={"name": "lab"}, headers={"Sec-Fetch-Site": site})
        assert answer.status_code == status


def test_wrong_passwords_make_the_account_wait(api: Api) -> None:
    api.account("ann", Role.OFFICER)
    client = api.client()
    wrong = {"name": "ann", "password": "wrong"}
    for _ in range(accounts.FREE_FAILURES):
        assert client.post("/login", json=wrong).status_code == 401
    right = {"name": "ann", "password": PASSWORD}
    answer = client.post("/login", json=right)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "10")
    api.clock.now += 10 * SECOND
    assert client.post("/login", json=right).status_code == 200
    denied = [entry for entry in api.audited() if entry.outcome == "denied"]
    assert {entry.target for entry in denied} == {"ann"}
    assert {entry.detail["problem"] for entry in denied} == {"login", "locked"}


@pytest.mark.parametrize("limits", [Limits(logins=100)])
def test_an_unknown_name_gets_the_same_answers_as_a_known_one(api: Api) -> None:
    api.account("ann", Role.OFFICER)
    answers = {
        name: [
            api.client().post("/login", json={"name": name, "password": "wrong"}).content
            for _ in range(accounts.FREE_FAILURES + 2)
        ]
        for name in ("ann", "nobody")
    }
    assert answers["ann"] == answers["nobody"]
    assert b"try again in 10 s" in answers["ann"][-1]


@pytest.mark.parametrize("limits", [Limits(logins=3)])
def test_one_address_cannot_try_without_end(api: Api, limits: Limits) -> None:
    client = api.client()
    statuses = [
        client.post("/login", json={"name": f"n{number}", "password": "wrong"}).status_code
        for number in range(limits.logins + 2)
    ]
    assert statuses == [401] * limits.logins + [429] * 2
    api.clock.now += 6 * SECOND
    assert client.post("/login", json={"name": "n", "password": "wrong"}).status_code == 401


def test_a_flood_of_failures_leaves_few_entries(api: Api) -> None:
    client = api.client("vdt_not_a_token")
    for _ in range(40):
        assert client.get("/hosts").status_code == 401
    assert len(api.audited()) == 10


def test_a_session_ends_by_logout_by_idling_and_by_age(api: Api) -> None:
    api.account("ann", Role.OFFICER)
    client = api.signed_in("ann")
    assert client.post("/logout").status_code == 204
    assert client.get("/me").status_code == 401
    client = api.signed_in("ann")
    api.clock.now += 29 * MINUTE
    assert client.get("/me").status_code == 200
    api.clock.now += 29 * MINUTE
    assert client.get("/me").status_code == 200
    api.clock.now += 31 * MINUTE
    assert client.get("/me").status_code == 401
    client = api.signed_in("ann")
    for _ in range(48):
        api.clock.now += HOUR // 4 - 1
        assert client.get("/me").status_code == 200
    api.clock.now += HOUR // 4
    assert client.get("/me").status_code == 401


def test_sessions_are_listed_and_ended_one_by_one(api: Api) -> None:
    api.account("ann", Role.OFFICER)
    api.account("bob", Role.OFFICER)
    first, second, foreign = api.signed_in("ann"), api.signed_in("ann"), api.signed_in("bob")
    listed = second.get("/sessions").json()
    assert len(listed) == 2
    assert "sha256" not in listed[0]
    current = first.get("/me").json()["via"].partition(":")[2]
    assert foreign.delete(f"/sessions/{current}").status_code == 404
    assert second.delete(f"/sessions/{current}").status_code == 204
    assert first.get("/me").status_code == 401


def test_a_disabled_account_is_out_at_once(api: Api) -> None:
    admin = api.caller(Role.ADMINISTRATOR)
    account = api.account("ann", Role.OFFICER)
    session, token = api.signed_in("ann"), api.client(api.token(account))
    assert admin.patch(f"/users/{account.id}", json={"disabled": True}).status_code == 200
    assert session.get("/me").status_code == 401
    assert token.get("/me").status_code == 401
    assert api.client().post("/login", json={"name": "ann", "password": PASSWORD}).status_code == 401
