"""The envelope of a task: for one host, by one key, and nothing else."""

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from vedette.central.pki import public_pem
from vedette.runtime.errors import IdentityError, WireError
from vedette.schema.tasks import SignedTask, TaskOrder
from vedette.wire.signature import key_id
from vedette.wire.task import read_task, sign_task

KEY = Ed25519PrivateKey.generate()
PEM = public_pem(KEY)
HOST = "a" * 32
ORDER = TaskOrder(
    id="1" * 32, type="kill_process", tenant="t", host=HOST, issued=5, expires=9,
    parameters=msgspec.Raw(b'{"pid": 7, "nested": [1, {"x": null}]}'),
)  # fmt: skip


def test_an_order_of_any_type_comes_back_as_it_was() -> None:
    order = read_task(sign_task(ORDER, KEY), PEM, tenant="t", host=HOST)
    assert msgspec.structs.replace(order, parameters=msgspec.Raw()) == msgspec.structs.replace(
        ORDER, parameters=msgspec.Raw()
    )
    assert msgspec.json.decode(order.parameters) == {"pid": 7, "nested": [1, {"x": None}]}


@pytest.mark.parametrize(("tenant", "host"), [("other", HOST), ("t", "b" * 32)])
def test_an_order_for_another_host_is_refused(tenant: str, host: str) -> None:
    with pytest.raises(IdentityError) as refusal:
        read_task(sign_task(ORDER, KEY), PEM, tenant=tenant, host=host)
    assert refusal.value.reason == "other_target"


def test_another_key_or_a_changed_body_is_refused() -> None:
    document = sign_task(ORDER, KEY)
    for changed, reason in (
        (sign_task(ORDER, Ed25519PrivateKey.generate()), "other_key"),
        (
            msgspec.structs.replace(document, body=document.body.replace(b'"expires":9', b'"expires":8')),
            "bad_signature",
        ),
        (msgspec.structs.replace(document, signature=bytes(64)), "bad_signature"),
        (msgspec.structs.replace(document, signature=b""), "bad_signature"),
    ):
        with pytest.raises(IdentityError) as refusal:
            read_task(changed, PEM, tenant="t", host=HOST)
        assert refusal.value.reason == reason


@given(st.binary(max_size=200))
def test_a_signed_body_that_is_no_order_is_a_wire_error(body: bytes) -> None:
    document = SignedTask(body=body, signature=KEY.sign(body), key_id=key_id(KEY.public_key()))
    with pytest.raises(WireError):
        read_task(document, PEM, tenant="t", host=HOST)
