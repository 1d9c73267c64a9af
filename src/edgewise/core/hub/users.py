"""People, and programs that act for them: a token each, with a role. Sessions of browsers stand for a token.

Tokens are made where the database is (`edgewise create user-token`), never over the network, so that no role can make
itself a larger one.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, delete, insert, select, update

from edgewise.core.database.schema import sessions, user_tokens
from edgewise.core.hub import audit, secrets
from edgewise.errors import BadInput, NotFound, NotPermitted, TokenRefused

LIFE_S = 365 * 24 * 3600
SESSION_S = 12 * 3600


class Role(StrEnum):
    """What somebody may do. Each may do what the ones before it may."""

    VIEWER = "viewer"
    """Look at everything but secrets."""
    OPERATOR = "operator"
    """Answer cases, invite and revoke devices, stop a rollout."""
    PUBLISHER = "publisher"
    """Register models, publish releases, start rollouts."""

    def includes(self, other: "Role") -> bool:
        """Whether who has this role may do what `other` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who asks.

    Attributes:
        token_hash: of the token that was shown.
    """

    name: str
    role: Role
    token_hash: str = ""


def require(user: User | None, role: Role) -> User:
    """`user`, who may do what `role` may.

    Raises:
        TokenRefused: nobody has signed in.
        NotPermitted: the role is too small.
    """
    if user is None:
        raise TokenRefused("this needs a user's token", hint="make one: edgewise create user-token")
    if not user.role.includes(role):
        raise NotPermitted(f"{user.name} is {user.role.value}; this needs {role.value}")
    return user


def make_token(connection: Connection, *, name: str, role: Role, who: str, now_s: int, life_s: int = LIFE_S) -> str:
    """A new token for the user `name`; the only time that it is seen.

    Raises:
        BadInput: no name, or a life that is none.
    """
    if not name.strip() or len(name) > 128 or not name.isprintable():
        raise BadInput(f"{name!r} cannot be a user's name", hint="up to 128 printable signs")
    if life_s < 60:
        raise BadInput(f"a token lives at least a minute, not {life_s} s")
    token = secrets.make(secrets.USER)
    row = {"hash": secrets.hashed(token), "user": name, "role": role.value, "made_s": now_s}
    connection.execute(insert(user_tokens).values(**row, expires_s=now_s + life_s))
    audit.note(connection, at_s=now_s, who=who, action="make token", subject=name, details={"role": role.value})
    return token


def revoke(connection: Connection, name: str, *, who: str, now_s: int) -> int:
    """End all tokens of the user `name`, and the sessions that stand for them; how many tokens that were.

    Raises:
        NotFound: there is none.
    """
    mine = (user_tokens.c.user == name, user_tokens.c.revoked_s == 0)
    hashes = list(connection.execute(select(user_tokens.c.hash).where(*mine)).scalars())
    if not hashes:
        raise NotFound(f"{name} has no token")
    connection.execute(update(user_tokens).where(*mine).values(revoked_s=now_s))
    connection.execute(delete(sessions).where(sessions.c.token_hash.in_(hashes)))
    audit.note(connection, at_s=now_s, who=who, action="revoke token", subject=name)
    return len(hashes)


def by_token(connection: Connection, token: str, *, now_s: int) -> User:
    """Whose token this is.

    Raises:
        TokenRefused: nobody's, or no longer.
    """
    return _by_hash(connection, secrets.hashed(token), now_s)


def sign_in(connection: Connection, token: str, *, now_s: int) -> str:
    """A session that stands for `token`.

    Raises:
        TokenRefused: it is nobody's, or no longer.
    """
    user = by_token(connection, token, now_s=now_s)
    session = secrets.make(secrets.SESSION)
    connection.execute(delete(sessions).where(sessions.c.expires_s <= now_s))
    row = {"hash": secrets.hashed(session), "token_hash": user.token_hash, "expires_s": now_s + SESSION_S}
    connection.execute(insert(sessions).values(**row))
    return session


def sign_out(connection: Connection, session: str) -> None:
    """End a session."""
    connection.execute(delete(sessions).where(sessions.c.hash == secrets.hashed(session)))


def by_session(connection: Connection, session: str, *, now_s: int) -> User | None:
    """Whose session this is; None where it is nobody's."""
    query = select(sessions.c.token_hash).where(
        sessions.c.hash == secrets.hashed(session), sessions.c.expires_s > now_s
    )
    found = connection.execute(query).scalar_one_or_none()
    if found is None:
        return None
    try:
        return _by_hash(connection, found, now_s)
    except TokenRefused:
        return None


def form_token(session: str) -> str:
    """What a form of a session's pages carries: who is not in the session cannot know it."""
    return hashlib.sha256(f"form\n{session}".encode()).hexdigest()


def _by_hash(connection: Connection, token_hash: str, now_s: int) -> User:
    found = connection.execute(select(user_tokens).where(user_tokens.c.hash == token_hash)).one_or_none()
    hint = "make one: edgewise create user-token"
    if found is None:
        raise TokenRefused("this token is unknown", hint=hint)
    if found.revoked_s or found.expires_s <= now_s:
        raise TokenRefused(f"this token {'was revoked' if found.revoked_s else 'has expired'}", hint=hint)
    return User(name=found.user, role=Role(found.role), token_hash=token_hash)


def any_token(connection: Connection) -> bool:
    """Whether a token was ever made."""
    return connection.execute(select(user_tokens.c.hash).limit(1)).one_or_none() is not None
