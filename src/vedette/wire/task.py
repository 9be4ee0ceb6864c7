"""The envelope in which a host gets a task: signed, for one host, until a time, once.

The envelope knows nothing of the kinds of tasks. Whoever takes one keeps its id (see the agent's task journal):
verifying alone does not make it happen only once.
"""

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vedette.runtime.errors import IdentityError, WireError
from vedette.schema.tasks import SignedTask, TaskOrder
from vedette.wire.signature import key_id, verify

_orders = msgspec.json.Decoder(TaskOrder)


def sign_task(order: TaskOrder, key: Ed25519PrivateKey) -> SignedTask:
    """Give `order` in its envelope."""
    body = msgspec.json.encode(order)
    return SignedTask(body=body, signature=key.sign(body), key_id=key_id(key.public_key()))


def read_task(document: SignedTask, public_pem: str, *, tenant: str, host: str) -> TaskOrder:
    """Give the order in `document` if the key signed it for this host. Whether it is too late is for the caller to say.

    Raises IdentityError (`bad_key`, `other_key`, `bad_signature`, `other_target`) or WireError.
    """
    verify(document, public_pem, what="the task")
    try:
        order = _orders.decode(document.body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise WireError(f"task: {error}") from error
    if (order.tenant, order.host) != (tenant, host):
        raise IdentityError("the task is for another host", reason="other_target")
    return order
