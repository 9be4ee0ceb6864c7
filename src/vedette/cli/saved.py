"""Finding a saved search by the name that a person writes."""

from typing import Any

from vedette.cli.client import Client
from vedette.runtime.errors import NotFoundError


def named(client: Client, name: str) -> dict[str, Any]:
    """Give the search NAME, one's own before a shared one, or OWNER/NAME. Raises NotFoundError."""
    owner, slash, own = name.rpartition("/")
    found: list[dict[str, Any]] = list(client.pages("/searches", name=own if slash else name))
    if slash:
        found = [one for one in found if one["owner_name"] == owner]
    else:
        me = client.get("/me")["name"]
        found.sort(key=lambda one: one["owner_name"] != me)
    if not found:
        raise NotFoundError(f"there is no saved search {name}; `vedette searches` lists them")
    if len(found) > 1 and not slash and found[0]["owner_name"] != me:
        owners = ", ".join(f"{one['owner_name']}/{one['name']}" for one in found)
        raise NotFoundError(f"several people share a search {name}: say which, {owners}")
    return found[0]
