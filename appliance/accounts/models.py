"""Tables of people and their keys. Secrets (session cookies, API tokens, one-time links) are kept as hashes only."""

from __future__ import annotations

from peewee import BigIntegerField, BooleanField, CharField, CompositeKey, ForeignKeyField, IntegerField, TextField

from ..core.db import Model
from ..core.dialect import JSONField
from ..core.secrets import SealedField


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


class SecondFactor(Model):
    """The shared secret of a person's second step. ``last_step``: the step of the last code that was accepted."""

    user = ForeignKeyField(User, primary_key=True, on_delete="CASCADE")
    secret = SealedField()
    created_at = BigIntegerField()
    confirmed_at = BigIntegerField(null=True)
    """``NULL``: no code was entered yet, it does not count."""
    last_step = BigIntegerField()

    class Meta:
        table_name = "second_factor"


class RecoveryCode(Model):
    """Opens the door once in place of a code; kept as a hash."""

    user = ForeignKeyField(User, on_delete="CASCADE")
    hash = CharField()
    used_at = BigIntegerField(null=True)

    class Meta:
        table_name = "recovery_code"


class ApiToken(Model):
    user = ForeignKeyField(User, on_delete="CASCADE")
    name = TextField()
    hash = CharField(unique=True)
    prefix = CharField()
    created_at = BigIntegerField()
    expires_at = BigIntegerField(null=True)
    last_used_at = BigIntegerField(null=True)
    revoked_at = BigIntegerField(null=True)
    scope = JSONField(null=True)
    """What the token may do of what its person may, see ``tokens.Scope``; ``NULL``: all of it."""
    warned_at = BigIntegerField(null=True)
    """When its person was told that it ends soon."""

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


class Invitation(Model):
    """A link with which somebody becomes a user. The key of the link is kept as a hash only."""

    hash = CharField(unique=True)
    name = TextField()
    login = CharField(null=True)
    """``NULL``: the person chooses one."""
    roles = JSONField()
    department = ForeignKeyField(Department, null=True, on_delete="SET NULL")
    created_by = IntegerField(null=True)
    created_at = BigIntegerField()
    expires_at = BigIntegerField()
    used_at = BigIntegerField(null=True)
    user = ForeignKeyField(User, null=True, on_delete="SET NULL")
    """Who came in with it."""
    revoked_at = BigIntegerField(null=True)

    class Meta:
        table_name = "invitation"


class Deputy(Model):
    """Who stands in for whom while somebody is away: from ``starts_at`` until just before ``ends_at``."""

    user = ForeignKeyField(User, on_delete="CASCADE")
    deputy = ForeignKeyField(User, on_delete="CASCADE")
    starts_at = BigIntegerField()
    ends_at = BigIntegerField(index=True)
    note = TextField(default="")
    created_by = IntegerField(null=True)
    created_at = BigIntegerField()
    ended_at = BigIntegerField(null=True)
    """When it was ended by hand, or when its end was written into the log."""

    class Meta:
        table_name = "deputy"


class SignInSource(Model):
    """A directory or a provider that vouches for people: ``ldap`` or ``oidc``; ``sources`` opens ``options``."""

    kind = CharField(primary_key=True)
    enabled = BooleanField(default=False)
    options = JSONField()
    secret = SealedField(null=True)

    class Meta:
        table_name = "sign_in_source"


class OutsideIdentity(Model):
    """Who a person is in a directory or at a provider."""

    kind = CharField()
    subject = TextField()
    """LDAP: the entry's unchanging number, else its name; OIDC: issuer and subject."""
    user = ForeignKeyField(User, on_delete="CASCADE")
    email = TextField(null=True)
    created_at = BigIntegerField()
    seen_at = BigIntegerField()

    class Meta:
        table_name = "outside_identity"
        indexes = ((("kind", "subject"), True), (("kind", "user"), True))


class UserContact(Model):
    """Where a person is reached outside the app; ``kind``: see ``contacts``."""

    user = ForeignKeyField(User, on_delete="CASCADE")
    kind = CharField()
    value = TextField()
    updated_at = BigIntegerField()

    class Meta:
        table_name = "user_contact"
        primary_key = CompositeKey("user", "kind")


class AuditEntry(Model):
    """What somebody did to the appliance itself; records have their own history. Rows are only ever added.

    ``about``: what it was done to, ``kind:key`` (``user:2``, ``form:order``). ``prev`` and ``mac``: see ``chain``.
    """

    at = BigIntegerField(index=True)
    actor_id = IntegerField(null=True)
    action = CharField()
    detail = JSONField()
    ip = CharField(null=True)
    agent = TextField(null=True)
    about = CharField(null=True)
    prev = CharField(null=True)
    mac = CharField(null=True)

    class Meta:
        table_name = "audit"
        indexes = ((("actor_id", "id"), False), (("action", "id"), False), (("about", "id"), False))


class AuditAnchor(Model):
    """The one row that says where the chain of the audit log begins and ends, sealed with the key; see ``chain``."""

    first_id = BigIntegerField()
    """Rows below were removed on purpose, when their time was over."""
    first_prev = CharField()
    removed = BigIntegerField()
    last_id = BigIntegerField()
    last_mac = CharField()
    key_mark = CharField()
    """Tells keys apart, and says nothing about them."""
    seal = CharField()

    class Meta:
        table_name = "audit_anchor"


class Share(Model):
    """One record that somebody showed to a person or to a department (with all below it), beyond what their roles allow."""

    form_key = CharField()
    record_id = IntegerField()
    user = ForeignKeyField(User, null=True, on_delete="CASCADE")
    department = ForeignKeyField(Department, null=True, on_delete="CASCADE")
    may_edit = BooleanField(default=False)
    created_at = BigIntegerField()
    created_by = IntegerField(null=True)
    expires_at = BigIntegerField(null=True)

    class Meta:
        table_name = "record_share"
        indexes = ((("form_key", "record_id"), False),)


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


TABLES = [
    Role, User, UserRole, Department, UserDepartment, Session, Throttle, ApiToken, OneTimeLink, AuditEntry, AuditAnchor,
    SecondFactor, RecoveryCode,
    Notice, Share, Invitation, Deputy, SignInSource, OutsideIdentity, UserContact,
]  # fmt: skip
