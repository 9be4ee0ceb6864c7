"""Accounts as an administrator manages them."""

from tests.central.api.conftest import PASSWORD, Api

from vedette.schema.access import Role


def test_a_new_account_gets_a_one_time_password_and_a_role(api: Api) -> None:
    admin = api.caller(Role.ADMINISTRATOR)
    made = admin.post("/users", json={"name": "Ann", "role": "auditor"})
    assert made.status_code == 201
    session = api.signed_in("ann", made.json()["password"])
    assert session.get("/me").json()["must_change_password"]
    assert "password" not in made.json()["user"]
    assert admin.post("/users", json={"name": "ANN", "role": "auditor"}).status_code == 409
    assert admin.post("/users", json={"name": "bob", "role": "king"}).status_code == 409
    assert admin.post("/users", json={"name": "bad name", "role": "auditor"}).status_code == 422
    entry = next(entry for entry in api.audited() if entry.action == "user.create")
    assert (entry.target, entry.detail) == ("ann", {"role": "auditor", "tenants": "default"})
    assert made.json()["password"] not in str(api.audited())


def test_a_reset_ends_sessions_and_tokens(api: Api) -> None:
    admin = api.caller(Role.ADMINISTRATOR)
    account = api.account("ann", Role.OFFICER)
    session, token = api.signed_in("ann"), api.client(api.token(account))
    password = admin.post(f"/users/{account.id}/password").json()["password"]
    assert session.get("/me").status_code == 401
    assert token.get("/me").status_code == 401
    assert api.client().post("/login", json={"name": "ann", "password": PASSWORD}).status_code == 401
    assert api.signed_in("ann", password).get("/me").json()["must_change_password"]


def test_the_last_administrator_cannot_be_taken_away(api: Api) -> None:
    account = api.account("root", Role.ADMINISTRATOR)
    client = api.client(api.token(account))
    for change in ({"disabled": True}, {"role": "officer"}):
        answer = client.patch(f"/users/{account.id}", json=change)
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:vedette:problem:conflict")
    assert client.get("/me").status_code == 200
    assert not any(entry.action == "user.change" for entry in api.audited())


def test_accounts_of_other_tenants_do_not_exist(api: Api) -> None:
    admin = api.caller(Role.ADMINISTRATOR)
    foreign = api.account("eve", Role.OFFICER, tenants=("other",))
    assert "eve" not in admin.get("/users").text
    assert admin.patch(f"/users/{foreign.id}", json={"disabled": True}).status_code == 404
    assert admin.post(f"/users/{foreign.id}/password").status_code == 404
    assert admin.post("/users", json={"name": "x", "role": "officer", "tenants": ["other"]}).status_code == 409


def test_roles_say_what_they_may_do(api: Api) -> None:
    roles = {one["role"]: one["rights"] for one in api.caller(Role.AUDITOR).get("/roles").json()}
    assert all(right.endswith(".read") for right in roles["auditor"])
    assert set(roles) == {role.value for role in Role}
