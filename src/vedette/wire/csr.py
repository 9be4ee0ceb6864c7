"""Keys and certificate requests of an agent: P-256, nothing in the subject."""

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from vedette.runtime.errors import IdentityError
from vedette.wire import limits


def make_key() -> bytes:
    """Make a P-256 key; PKCS 8, PEM, unencrypted (the file's mode protects it)."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def make_csr(key: bytes) -> str:
    """Give a certificate request, PEM, that proves possession of `key`."""
    private = serialization.load_pem_private_key(key, password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise IdentityError("the key is not an elliptic-curve key", reason="bad_key")
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(private, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def read_csr(text: str) -> ec.EllipticCurvePublicKey:
    """Give the public key that the request proves possession of.

    Raises IdentityError (reason `bad_csr`): unreadable, wrong signature, or not P-256.
    """
    if len(text) > limits.CSR_CHARACTERS:
        raise IdentityError(f"the certificate request has {len(text)} characters", reason="bad_csr")
    try:
        request = x509.load_pem_x509_csr(text.encode())
        valid = request.is_signature_valid
        key = request.public_key()
    except (ValueError, TypeError, InvalidSignature, UnicodeEncodeError, x509.UnsupportedGeneralNameType) as error:
        raise IdentityError(f"the certificate request cannot be read: {error}", reason="bad_csr") from error
    if not valid:
        raise IdentityError("the certificate request is not signed by its key", reason="bad_csr")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise IdentityError("the certificate request must have a P-256 key", reason="bad_csr")
    return key
