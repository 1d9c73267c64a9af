"""Tokens: 256 bits from the system, shown once and kept as a hash alone.

A hash without salt is enough where nobody can guess what was hashed.
"""

import hashlib
import secrets

ENROLMENT, USER, SESSION = "ewe_", "ewu_", "ews_"
"""How tokens begin, so that a scanner finds a leaked one, and a person sees what it is for."""


def make(prefix: str) -> str:
    """A new token."""
    return prefix + secrets.token_urlsafe(32)


def hashed(token: str) -> str:
    """What is kept of a token: 64 hexadecimal digits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
