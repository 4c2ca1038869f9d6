"""Users, as they are stored."""

from __future__ import annotations

import datetime
import secrets

from sqlalchemy import BigInteger, Enum, Integer, String, exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from apps.accounts import hashing
from apps.accounts.database import Base, db
from apps.accounts.users import fields
from apps.accounts.users.enums import Role
from shared_utils.database import UtcDateTime

_LARGEST_ID = 2**63 - 1


class NameTakenError(ValueError):
    """Somebody else has the name."""


class User(Base):
    """Somebody who may sign in."""

    __tablename__ = "user"
    # An id is never given twice: the other apps know users by it alone.
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    name: Mapped[str] = mapped_column(String(32), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    role: Mapped[Role] = mapped_column(
        Enum(Role, name="role", native_enum=False, values_callable=lambda roles: [*roles])
    )
    must_change_password: Mapped[bool]
    created: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


def add(
    name: str, password: str, *, role: Role = Role.USER, must_change_password: bool = False
) -> User:
    """Store a user.

    Raises:
        NameTakenError: there is one of this name.
    """
    user = User(
        name=fields.plain_name(name),
        password_hash=_hashed(password),
        role=role,
        must_change_password=must_change_password,
        created=datetime.datetime.now(datetime.UTC),
    )
    try:
        with db.write() as session:
            session.add(user)
    except IntegrityError:
        raise NameTakenError(f"{user.name} is taken") from None
    return user


def find(user_id: str) -> User | None:
    """Return the user of this id, as a token has it; None where there is none."""
    if not user_id.isdecimal() or not user_id.isascii() or int(user_id) > _LARGEST_ID:
        return None
    return db.session.get(User, int(user_id))


def named(name: str) -> User | None:
    """Return the user of this name; None where there is none."""
    return db.session.scalar(select(User).where(User.name == fields.plain_name(name)))


def authenticated(name: str, password: str) -> User | None:
    """Return the user of this name and password; None where one of them is wrong.

    Which of them takes the same time to find out.
    """
    # What is no name may also be no text that a database takes.
    user = named(name) if fields.name_fault(fields.plain_name(name)) is None else None
    return user if is_password(user, password) else None


def is_password(user: User | None, password: str) -> bool:
    """Say whether it is the password of ``user``, who may be nobody."""
    hashed = user.password_hash if user else None
    if not _is_password(hashed, password):
        return False
    if user is not None and hashing.current().is_outdated(user.password_hash):
        _keep(user, _hashed(password), hashed, must_change=user.must_change_password)
    return True


def change_password(user: User, current: str, password: str) -> bool:
    """Give ``user`` another password; return whether ``current`` was theirs, and still is."""
    hashed = user.password_hash
    return _is_password(hashed, current) and _keep(
        user, _hashed(password), hashed, must_change=False
    )


def set_password(user: User, password: str, *, must_change: bool = False) -> None:
    """Give ``user`` another password, whatever theirs is."""
    _keep(user, _hashed(password), None, must_change=must_change)


def has_operator() -> bool:
    """Say whether there is an operator."""
    return bool(db.session.scalar(select(exists().where(User.role == Role.OPERATOR))))


def one_time_password() -> str:
    """Return a password of 80 random bits, in letters that are read without doubt."""
    letters = [secrets.choice("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(20)]
    return "-".join("".join(letters[at : at + 5]) for at in range(0, 20, 5))


def _is_password(hashed: str | None, password: str) -> bool:
    db.session.commit()  # gives its connection back: to wait for one's turn takes none from others
    return hashing.current().verify(hashed, fields.plain_password(password))


def _hashed(password: str) -> str:
    return hashing.current().hash(fields.plain_password(password))


def _keep(user: User, hashed: str, before: str | None, *, must_change: bool) -> bool:
    """Store a hash, unless it was to replace ``before`` and there is another one by now.

    A hash takes its time, in which the operator may have reset the password.
    """
    with db.write() as session:
        stored = session.get(User, user.id, with_for_update=True)
        if stored is None or before not in (None, stored.password_hash):
            return False
        stored.password_hash = hashed
        stored.must_change_password = must_change
    return True
