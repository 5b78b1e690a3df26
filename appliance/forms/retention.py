"""How long records are kept: rules that each night delete what is too old, or take the personal data out of it.

A deleted record goes to the recycle bin and from there, after the company's days, for good. A pseudonymised one keeps number,
amounts and dates; that cannot be taken back.
"""

from __future__ import annotations

import datetime as dt

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ..accounts import audit
from ..accounts.actor import SYSTEM, Actor
from ..core import clock, compacting, i18n, jobs, schema, settings
from ..core.db import read, write
from ..core.errors import FieldErrors, NotFound, UserError
from . import catalog, conditions, personal, records
from .catalog import SYSTEM_FIELDS, Form
from .fields.base import Field
from .hooks import Cause
from .query import Query
from .retention_models import RetentionDone, RetentionRule

DELETE, PSEUDONYMISE = "delete", "pseudonymise"
ACTIONS = {DELETE: _l("移到回收站，到期彻底删除"), PSEUDONYMISE: _l("清空个人信息，保留金额和日期")}
MOST_MONTHS = 600
BATCH = 200


@schema.seed
def timer() -> None:
    jobs.schedule("forms.retention", "20 2 * * *", "forms.retention")


def rules() -> list[RetentionRule]:
    with read():
        return list(RetentionRule.select().order_by(RetentionRule.form, RetentionRule.id))


def get(rule_id: int) -> RetentionRule:
    """Raises NotFound."""
    with read():
        found = RetentionRule.get_or_none(RetentionRule.id == rule_id)
    if found is None:
        raise NotFound()
    return found


def dates(form: Form) -> dict[str, Field]:
    """The fields by which age is measured."""
    own = {key: f for key, f in form.columns.items() if f.type in ("date", "datetime")}
    return own | {key: SYSTEM_FIELDS[key] for key in ("created_at", "updated_at")}


def forms() -> list[Form]:
    """Line items go with what they belong to."""
    return [form for form in catalog.all() if form.part_of is None]


def check(rule: RetentionRule) -> Form:
    """Raises FieldErrors for a rule that cannot be applied."""
    form = catalog.all_forms().get(rule.form)
    if form is None:
        raise FieldErrors({"form": _("请选择表单。")})
    errors: dict[str, str] = {}
    if rule.action not in ACTIONS:
        errors["action"] = _("请选择到期后怎么处理。")
    if not isinstance(rule.months, int) or not 1 <= rule.months <= MOST_MONTHS:
        errors["months"] = _("请填写 1 到 %(most)d 之间的整数。", most=MOST_MONTHS)
    if rule.field not in dates(form):
        errors["field"] = _("请选择按哪个日期计算。")
    try:
        conditions.validate(rule.where, form)
    except conditions.ConditionError as error:
        errors["where"] = error.message
    if errors:
        raise FieldErrors(errors)
    return form


def save(rule: RetentionRule, actor: Actor) -> None:
    """Raises FieldErrors; then nothing is changed."""
    check(rule)
    rule.updated_at, rule.updated_by, rule.error = clock.now(), actor.id, None
    with write():
        rule.save()
        audit.note(
            "retention.changed",
            {"form": rule.form, "months": rule.months, "active": rule.enabled}, actor,
        )  # fmt: skip


def remove(rule: RetentionRule, actor: Actor) -> None:
    with write():
        RetentionRule.delete().where(RetentionRule.id == rule.id).execute()
        audit.note("retention.changed", {"form": rule.form, "months": rule.months}, actor)


def before(months: int, today: dt.date) -> dt.date:
    """The day so many months ago; of a month that is shorter its last day."""
    year, month = divmod(today.year * 12 + today.month - 1 - months, 12)
    for day in range(today.day, 0, -1):
        try:
            return dt.date(year, month + 1, day)
        except ValueError:
            continue
    raise AssertionError("every month has a first day")


def due(rule: RetentionRule, form: Form) -> Query:
    """The records that the rule is about now."""
    day = before(rule.months, clock.today(settings.tz())).isoformat()
    old = {"field": rule.field, "op": "lt", "value": day}
    found = Query(form, SYSTEM).where({"all": [old, rule.where]} if rule.where else old)
    if rule.action == PSEUDONYMISE:
        done = RetentionDone.select(RetentionDone.record_id).where(RetentionDone.form == form.key)
        found = found.only(form.col("id").not_in(done))
    return found


def words(rule: RetentionRule) -> str:
    """``付款时间 早于 36 个月前，且 状态 是 已完成``."""
    form = catalog.all_forms().get(rule.form)
    if form is None:
        return _("表单已删除")
    f = dates(form).get(rule.field)
    text = _("%(field)s 早于 %(months)d 个月前", field=f.label if f else rule.field, months=rule.months)
    if not rule.where:
        return text
    try:
        return _("%(one)s，且 %(other)s", one=text, other=conditions.words(rule.where, form))
    except UserError:
        return text


@jobs.handler("forms.retention", label=_l("按保存期限清理"))
def run(job: jobs.Job) -> dict[str, int]:
    """Every night, a batch a transaction."""
    total = 0
    for rule in rules():
        if rule.enabled:
            total += _apply(rule, job, total)
    return {"retained": total}


def _apply(rule: RetentionRule, job: jobs.Job, before_this: int) -> int:
    done, error, wiped = 0, None, False
    try:
        form = check(rule)
        while ids := [record.id for record in due(rule, form).page(limit=BATCH).records]:
            with write():
                gone = _do(rule, form, ids)
            done += gone
            wiped = wiped or rule.action == PSEUDONYMISE
            job.progress(before_this + done)
            if not gone:
                break
    except FieldErrors as problem:
        error = problem.first
    with write():
        RetentionRule.update(last_at=clock.now(), last_count=done, error=error).where(
            RetentionRule.id == rule.id
        ).execute()
        if done:
            audit.note("retention.applied", {"form": rule.form, "count": done}, SYSTEM)
    if wiped:
        compacting.ask()
    return done


def _do(rule: RetentionRule, form: Form, ids: list[int]) -> int:
    cause = Cause("retention", rule.id)
    if rule.action == DELETE:
        return len(records.delete_many(form, ids, SYSTEM, cause))
    with i18n.speaking(i18n.company_locale()):
        personal.wipe(form, ids, SYSTEM, cause, named=True)
    RetentionDone.insert_many([{"form": form.key, "record_id": i} for i in ids]).on_conflict_ignore().execute()
    return len(ids)
