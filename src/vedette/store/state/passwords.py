"""Passwords: Argon2id hashes, one-time passwords, and what a new password must be."""

import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MINIMUM_LENGTH = 12
MAXIMUM_LENGTH = 256

# RFC 9106, second recommended option, with OWASP's lower memory: about 60 ms of one core.
_HASHER = PasswordHasher(time_cost=3, memory_cost=32 * 1024, parallelism=1)
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def one_time() -> str:
    """Draw a password to be typed once: 4 groups of 5 letters and digits, 99 random bits."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))


def hashed(password: str) -> str:
    """Give the form in which a password is kept."""
    return _HASHER.hash(password)


def matches(password: str, password_hash: str) -> bool:
    """Whether this is the password; a hash that is not one never matches."""
    try:
        return _HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def nobody() -> str:
    """Give a hash that no password matches, so that an unknown account takes as long as a known one."""
    return hashed(secrets.token_hex(32))


def weakness(password: str, *, account: str) -> str:
    """Say why a new password is not accepted, or the empty string."""
    if len(password) < MINIMUM_LENGTH:
        return f"a password has at least {MINIMUM_LENGTH} characters"
    if len(password) > MAXIMUM_LENGTH:
        return f"a password has at most {MAXIMUM_LENGTH} characters"
    if account and account.lower() in password.lower():
        return "a password does not contain the account's name"
    if len(set(password)) < 5:
        return "a password has at least 5 different characters"
    return ""
