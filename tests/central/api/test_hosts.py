"""Hosts, groups and enrolment tokens over HTTP."""

from tests.central.api.conftest import Api

from vedette.schema.access import Role
from vedette.store.state import agents, tokens


def enrol(api: Api, hostname: str, tenant: str = "default") -> str:
    """Enrol an agent; give its id."""
    with api.state.write() as db:
        secret = tokens.create_enrolment(db, tokens.NewEnrolment(tenant=tenant), now=api.clock())
        return agents.enrol(db, tokens.sha256(secret), hostname=hostname, os="Linux", now=api.clock()).id


def test_a_token_made_here_enrols_and_carries_the_cas_fingerprint(api: Api) -> None:
    admin = api.caller(Role.ADMINISTRATOR)
    made = admin.post("/enrolment-tokens", json={"uses": 2, "note": "lab"}).json()
    secret, _, fingerprint = made["secret"].partition(".")
    assert fingerprint == "f" * 32
    with api.state.write() as db:
        agent = agents.enrol(db, tokens.sha256(secret), hostname="h", os="Linux", now=api.clock())
    assert admin.get(f"/hosts/{agent.id}").json()["hostname"] == "h"
    listed = admin.get("/enrolment-tokens").json()
    assert (listed[0]["used"], listed[0]["note"], listed[0]["created_by"]) == (1, "lab", "administrator-default")
    assert admin.delete(f"/enrolment-tokens/{made['token']['id']}").status_code == 204
    assert admin.delete(f"/enrolment-tokens/{made['token']['id']}").status_code == 404
    assert admin.post("/enrolment-tokens", json={"group": "none"}).status_code == 404
    assert admin.post("/enrolment-tokens", json={"uses": 0}).status_code == 422
    assert admin.post("/enrolment-tokens", json={"uses": 1, "secret": "x"}).status_code == 422


def test_hosts_come_in_pages(api: Api) -> None:
    for number in range(5):
        enrol(api, f"h{number}")
    client = api.caller(Role.OFFICER)
    page = client.get("/hosts", params={"limit": 2}).json()
    names = [host["hostname"] for host in page["items"]]
    while page["cursor"]:
        page = client.get("/hosts", params={"limit": 2, "cursor": page["cursor"]}).json()
        names += [host["hostname"] for host in page["items"]]
    assert names == [f"h{number}" for number in range(5)]
    assert client.get("/hosts", params={"cursor": "!"}).status_code == 400
    assert client.get("/hosts", params={"limit": 1001}).status_code == 422
    assert [one["hostname"] for one in client.get("/hosts", params={"hostname": "*3"}).json()["items"]] == ["h3"]


def test_a_host_is_moved_and_revoked_with_an_entry_each(api: Api) -> None:
    host = enrol(api, "web")
    admin = api.caller(Role.ADMINISTRATOR)
    assert admin.put(f"/hosts/{host}/group", json={"group": "lab"}).status_code == 404
    assert admin.post("/groups", json={"name": "lab"}).status_code == 201
    assert admin.put(f"/hosts/{host}/group", json={"group": "lab"}).json()["group"] == "lab"
    assert admin.post(f"/hosts/{host}/revoke").json()["revoked"] == api.clock()
    done = [(entry.action, entry.target) for entry in api.audited()]
    assert done == [("group.create", "lab"), ("host.move", host), ("host.revoke", host)]
    with api.state.read() as db:
        assert agents.identities(db)[0].revoked


def test_another_tenants_hosts_do_not_exist(api: Api) -> None:
    host = enrol(api, "far", tenant="other")
    admin = api.caller(Role.ADMINISTRATOR)
    assert admin.get("/hosts").json()["items"] == []
    assert admin.get(f"/hosts/{host}").status_code == 404
    assert admin.post(f"/hosts/{host}/revoke").status_code == 404
    assert admin.post("/enrolment-tokens", json={"tenant": "other"}).status_code == 409
    own = api.caller(Role.ADMINISTRATOR, tenants=("other",))
    assert own.get(f"/hosts/{host}").status_code == 200
