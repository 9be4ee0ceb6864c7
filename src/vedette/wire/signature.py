"""What the Central Node tells agents is signed with Ed25519; agents verify with the keys that enrolment pinned."""

import hashlib

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from vedette.runtime.errors import IdentityError, WireError
from vedette.schema.policies import Settings, SignedSettings
from vedette.schema.signed import Signed


def key_id(public: Ed25519PublicKey) -> str:
    """Give the SHA-256 of the key's DER, 64 hex digits."""
    return hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def sign_settings(settings: Settings, key: Ed25519PrivateKey) -> SignedSettings:
    """Give `settings` as a signed document."""
    body = msgspec.json.encode(settings)
    return SignedSettings(body=body, signature=key.sign(body), key_id=key_id(key.public_key()))


def verify_settings(document: SignedSettings, public_pem: str) -> Settings:
    """Give the settings in `document` if the key `public_pem` signed them.

    Raises IdentityError (reasons `bad_key`, `other_key`, `bad_signature`); WireError when the signed body is no
    settings document.
    """
    verify(document, public_pem, what="the settings")
    try:
        return msgspec.json.decode(document.body, type=Settings)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise WireError(f"settings: {error}") from error


def verify(document: Signed, public_pem: str, *, what: str) -> None:
    """See that the key `public_pem` signed `document`; `what` begins the sentence that says that it did not.

    Raises IdentityError (reasons `bad_key`, `other_key`, `bad_signature`).
    """
    public = load_key(public_pem)
    if document.key_id != key_id(public):
        raise IdentityError(f"{what}: signed by another key", reason="other_key")
    try:
        public.verify(document.signature, document.body)
    except InvalidSignature as error:
        raise IdentityError(f"{what}: the signature is wrong", reason="bad_signature") from error


def load_key(public_pem: str) -> Ed25519PublicKey:
    """Read an Ed25519 public key. Raises IdentityError (reason `bad_key`)."""
    try:
        public = load_pem_public_key(public_pem.encode())
    except (ValueError, UnsupportedAlgorithm, UnicodeEncodeError) as error:
        raise IdentityError(f"not a public key: {error}", reason="bad_key") from error
    if not isinstance(public, Ed25519PublicKey):
        raise IdentityError("the key is not an Ed25519 key", reason="bad_key")
    return public
