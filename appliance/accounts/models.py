"""Tables of people and their keys. Secrets (session cookies, API tokens, one-time links) are kept as hashes only."""

from __future__ import annotations

from peewee import BigIntegerField, BooleanField, CharField, CompositeKey, ForeignKeyField, IntegerField, TextField

from ..core.db import Model
from ..core.dialect import JSONField


class Role(Model):
    """A named set of rights; ``permissions.Rights`` opens the document."""

    key = CharField(unique=True)
    label = JSONField()
    rights = JSONField()
    system = BooleanField(default=False)

    class Meta:
        table_name = "role"


class User(Model):
    login = CharField(unique=True)
    """Lower case; what the person types is folded before it is compared."""
    name = TextField()
    password_hash = TextField(null=True)
    """Argon2id; ``NULL``: nobody can sign in until a reset link was used."""
    active = BooleanField(default=True)
    locale = CharField(null=True)
    theme = CharField(default="auto")
    created_at = BigIntegerField()
    password_changed_at = BigIntegerField(null=True)
    last_sign_in_at = BigIntegerField(null=True)

    class Meta:
        table_name = "user"


class UserRole(Model):
    user = ForeignKeyField(User, on_delete="CASCADE")
    role = ForeignKeyField(Role, on_delete="CASCADE")

    class Meta:
        table_name = "user_role"
        primary_key = CompositeKey("user", "role")


class Department(Model):
    """A part of the company. A deleted one keeps its people, so that it can come back whole."""

    name = TextField()
    parent = ForeignKeyField("self", null=True)
    head = ForeignKeyField(User, null=True, on_delete="SET NULL")
    position = IntegerField(default=0)
    deleted_at = BigIntegerField(null=True)

    class Meta:
        table_name = "department"


class UserDepartment(Model):
    """Who belongs where; at most one department of a person is the primary one."""

    user = ForeignKeyField(User, on_delete="CASCADE")
    department = ForeignKeyField(Department, on_delete="CASCADE")
    primary = BooleanField(default=False)

    class Meta:
        table_name = "user_department"
        primary_key = CompositeKey("user", "department")


class Session(Model):
    """One signed-in browser. The key is the SHA-256 of the cookie."""

    key = CharField(primary_key=True)
    user = ForeignKeyField(User, on_delete="CASCADE")
    created_at = BigIntegerField()
    last_seen_at = BigIntegerField()
    expires_at = BigIntegerField(index=True)
    ip = CharField()
    agent = TextField()

    class Meta:
        table_name = "session"


class Throttle(Model):
    """Failed sign-ins of one account or one address (hashed: a mistyped password may stand in the login box)."""

    key = CharField(primary_key=True)
    failures = IntegerField()
    last_at = BigIntegerField(index=True)
    blocked_until = BigIntegerField()

    class Meta:
        table_name = "sign_in_throttle"


class ApiToken(Model):
    user = ForeignKeyField(User, on_delete="CASCADE")
    name = TextField()
    hash = CharField(unique=True)
    prefix = CharField()
    created_at = BigIntegerField()
    expires_at = BigIntegerField(null=True)
    last_used_at = BigIntegerField(null=True)
    revoked_at = BigIntegerField(null=True)

    class Meta:
        table_name = "api_token"


class OneTimeLink(Model):
    """A link that works once: ``setup`` (first administrator) or ``reset`` (choose a new password)."""

    hash = CharField(primary_key=True)
    kind = CharField()
    user = ForeignKeyField(User, null=True, on_delete="CASCADE")
    created_at = BigIntegerField()
    expires_at = BigIntegerField()

    class Meta:
        table_name = "one_time_link"


class AuditEntry(Model):
    """What somebody did to the appliance itself; records have their own history. Rows are only ever added."""

    at = BigIntegerField(index=True)
    actor_id = IntegerField(null=True)
    action = CharField()
    detail = JSONField()
    ip = CharField(null=True)

    class Meta:
        table_name = "audit"


class Notice(Model):
    """Something a person should know, in the app. ``text``: words, or words by language."""

    user_id = IntegerField()
    kind = CharField()
    text = JSONField()
    link = TextField(null=True)
    at = BigIntegerField()
    read_at = BigIntegerField(null=True)

    class Meta:
        table_name = "notice"
        indexes = ((("user_id", "id"), False),)


# The bell asks for these once a minute from every open page.
Notice.add_index(Notice.user_id, name="i_notice_unread", where=Notice.read_at.is_null())


TABLES = [Role, User, UserRole, Department, UserDepartment, Session, Throttle, ApiToken, OneTimeLink, AuditEntry, Notice]
