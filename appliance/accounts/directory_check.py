"""Who has left the company's directory leaves Guke: their sessions and tokens end, within half an hour.

A directory that suddenly misses most of the people it had is taken for a mistake in the settings: nobody is shut out, and an
incident says so.
"""

from __future__ import annotations

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ..core import incidents, jobs, schema
from ..core.db import read
from ..core.errors import UserError
from . import ldap_signin, notices, sources, users
from .actor import SYSTEM
from .models import OutsideIdentity, User

KIND = "accounts.directory"
FEW = 3
"""So many may leave at once without anybody being asked."""

incidents.declare("directory", _l("目录里的人员核对不了"), retry=lambda ref: ask())


@schema.seed
def timer() -> None:
    jobs.schedule(KIND, "*/30 * * * *", KIND, catch_up="once")


def ask() -> None:
    jobs.enqueue(KIND, unique=KIND)


@jobs.handler(KIND, label=_l("核对目录里的人员"))
def check(job: jobs.Job) -> dict[str, int] | None:
    """Asks the directory for everybody who came from it; who is no longer there, or locked there, is disabled."""
    if not sources.is_on("ldap"):
        return None
    with read():
        rows = (
            OutsideIdentity.select(OutsideIdentity.user, OutsideIdentity.subject)
            .join(User)
            .where(OutsideIdentity.kind == "ldap", User.active == True)  # noqa: E712
        )
        known = [(int(user_id), str(subject)) for user_id, subject in rows.tuples()]
    if not known:
        return None
    try:
        there = ldap_signin.still_there([subject for _user, subject in known])
    except UserError as error:
        _report(_("目录服务器没有回答，暂时不知道谁已离开：%(why)s", why=error.message))
        return None
    gone = [user_id for user_id, subject in known if subject not in there]
    if len(gone) > FEW and len(gone) * 2 > len(known):
        _report(
            _(
                "从目录登录的 %(all)d 人里有 %(count)d 人查不到了，像是设置或目录出了问题，没有停用任何人。请核对登录方式的设置。",
                all=len(known), count=len(gone),
            )
        )  # fmt: skip
        return None
    incidents.settle(KIND)
    return {"people_disabled": sum(_shut_out(user_id) for user_id in gone)}


def _shut_out(user_id: int) -> int:
    try:
        users.disable(user_id, SYSTEM)
    except UserError as error:
        # The last administrator stays.
        _report(error.message)
        return 0
    name = users.get(user_id).name
    admins = [person.id for person in users.people(active=True) if (a := users.actor_of(person.id)) and a.is_admin]
    notices.tell(
        admins,
        "directory",
        lambda to: _("%(name)s 已不在公司目录里，账号已停用。请把其负责的记录交接给别人。", name=name),
        f"/settings/users/{user_id}/handover",
    )
    return 1


def _report(why: str) -> None:
    incidents.open("directory", why, KIND, KIND)
