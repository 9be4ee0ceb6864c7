"""API tokens: a part of the account's rights, an end, no secret kept."""

from tests.central.api.conftest import Api

from vedette.runtime.clock import DAY
from vedette.schema.access import Role


def test_a_token_may_do_what_it_names_and_no_more(api: Api) -> None:
    account = api.account("ann", Role.ADMINISTRATOR)
    owner = api.client(api.token(account))
    made = owner.post("/api-tokens", json={"name": "ci", "rights": ["hosts.read"], "days": 2})
    assert made.status_code == 201
    limited = api.client(made.json()["secret"])
    assert limited.get("/hosts").status_code == 200
    assert limited.get("/users").status_code == 403
    more = limited.post("/api-tokens", json={"name": "more", "rights": ["users.manage"]})
    assert more.status_code == 403
    same = limited.post("/api-tokens", json={"name": "same"})
    assert same.json()["token"]["rights"] == ["hosts.read"]
    api.clock.now += 2 * DAY
    assert limited.get("/hosts").status_code == 401


def test_a_token_never_has_more_than_its_accounts_role(api: Api) -> None:
    admin = api.caller(Role.ADMINISTRATOR)
    account = api.account("ann", Role.ADMINISTRATOR)
    token = api.client(api.token(account))
    assert token.get("/users").status_code == 200
    assert admin.patch(f"/users/{account.id}", json={"role": "officer"}).status_code == 200
    assert token.get("/users").status_code == 403


def test_a_revoked_token_is_out_and_the_list_holds_no_secret(api: Api) -> None:
    owner = api.caller(Role.OFFICER)
    made = owner.post("/api-tokens", json={"name": "ci"}).json()
    listed = owner.get("/api-tokens").text
    assert made["secret"] not in listed
    assert "sha256" not in listed
    other = api.client(made["secret"])
    assert other.get("/me").json()["via"] == f"token:{made['token']['id']}"
    assert owner.delete(f"/api-tokens/{made['token']['id']}").status_code == 204
    assert other.get("/me").status_code == 401
    assert owner.delete(f"/api-tokens/{made['token']['id']}").status_code == 404
    assert [entry.action for entry in api.audited()][-3:] == [
        "api_token.create", "api_token.revoke", "me",
    ]  # fmt: skip


def test_a_token_needs_no_csrf_header_and_cannot_log_out(api: Api) -> None:
    client = api.caller(Role.ADMINISTRATOR)
    assert client.post("/groups", json={"name": "lab"}).status_code == 201
    assert client.post("/logout").status_code == 409
