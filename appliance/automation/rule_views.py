"""Rules: list, editor, preview."""

from __future__ import annotations

from typing import Any

from flask import render_template, request
from flask_babel import gettext as _

from ..accounts.actor import current_actor
from ..accounts.guards import requires, requires_room
from ..core import http, jobs
from ..core.errors import NotFound, UserError
from ..forms import catalog, query
from . import actions, editing, preview, rehearsal, trying, value_inputs
from . import rules as verbs
from .blueprint import bp
from .editing import Card, RuleEditor
from .rules import OUTSIDE_HOURS, PERIODS, Rule
from .shared_views import listing, save
from .triggers import NIGHTLY

SMALL = 20_000
"""Records of a form up to which a rehearsal is played while the person waits."""


@bp.get("/rules")
@requires_room("rules")
def rules() -> Any:
    return listing("rules")


@bp.get("/rules/new")
@requires_room("rules")
def rules_new() -> Any:
    form = catalog.get(request.args.get("form", "customer"))
    return _page(RuleEditor(Rule.read({"form": form.key, "on": {"schedule": NIGHTLY}}), form))


@bp.get("/rules/<key>")
@requires_room("rules")
def rules_edit(key: str) -> Any:
    rule = verbs.get(key)
    return _page(RuleEditor(rule, rule.form, rule.problems()))


def _page(editor: RuleEditor, status: int = 200) -> Any:
    return http.render(
        "automation/rule.html", status=status, editor=editor, periods=PERIODS, outside=OUTSIDE_HOURS,
        forms=editing.forms(), plural="rules",
    )  # fmt: skip


@bp.post("/rules/new")
@requires_room("rules")
def rules_create() -> Any:
    return _save(None)


@bp.post("/rules/<key>")
@requires_room("rules")
def rules_save(key: str) -> Any:
    return _save(verbs.get(key))


def _save(old: Rule | None) -> Any:
    def again(rule: Rule, errors: dict[str, str], message: str) -> Any:
        return _page(RuleEditor(rule, rule.form, errors, message), 422)

    return save("rules", old, editing.rule_of_form, again)


@bp.post("/rules/preview")
@requires_room("rules")
def rules_preview() -> str:
    """What the rule in the editor would do, as a fragment."""
    rule, problems = _typed()
    try:
        if problems:
            raise UserError(_("；").join(problems.values()))
        found = preview.of_rule(rule, current_actor())
        return render_template("automation/_preview_rule.html", rule=rule, preview=found)
    except UserError as error:
        return render_template("automation/_preview_rule.html", rule=rule, error=error.message)


@bp.post("/rules/try")
@requires_room("rules")
def rules_try() -> str:
    """What the rule in the editor would do with one chosen record, test by test, as a fragment."""
    rule, problems = _typed()
    record_id = request.form.get("try.record", type=http.whole)
    try:
        if problems:
            raise UserError(_("；").join(problems.values()))
        if record_id is None:
            return ""
        record = query.get(rule.form, record_id, current_actor())
        tried = trying.on(rule, record.id)
        return render_template("automation/_try.html", rule=rule, record=record, tried=tried)
    except UserError as error:
        return render_template("automation/_try.html", rule=rule, error=error.message)


def _typed() -> tuple[Rule, dict[str, str]]:
    """The rule as the editor has it now."""
    old = verbs.get(request.form["key"]) if request.form.get("key") else None
    doc, problems = editing.rule_of_form(request.form, old)
    key = old.key if old else "preview"
    rule: Rule = Rule.read({"key": key} | doc | {"label": doc["label"] or _("新规则")})
    rule.id = old.id if old else 0
    return rule, problems


@bp.post("/rules/rehearse")
@requires_room("rules")
def rules_rehearse() -> str:
    """Replays the last days with the rule in the editor; small companies have the answer at once."""
    rule, problems = _typed()
    try:
        if problems:
            raise UserError(_("；").join(problems.values()))
        job_id = rehearsal.ask(rule.document(), rehearsal.DAYS, current_actor())
    except UserError as error:
        return render_template("automation/_rehearsal.html", error=error.message)
    if query.Query(rule.form, current_actor()).count(SMALL) < SMALL:
        jobs.work_on(job_id)
    return _rehearsed(job_id)


@bp.get("/rules/rehearsals/<int:job_id>")
@requires_room("rules")
def rules_rehearsal(job_id: int) -> str:
    return _rehearsed(job_id)


def _rehearsed(job_id: int) -> str:
    """One fragment for every state of a rehearsal; it polls itself until the job has ended."""
    job = jobs.get(job_id)
    if job.kind != rehearsal.REHEARSE:
        raise NotFound()
    if not job.finished:
        return render_template("automation/_rehearsal.html", job=job)
    found = (job.result or {}).get("rehearsal")
    if found is None:
        why = (job.result or {}).get("problem") or job.error or _("已取消")
        return render_template("automation/_rehearsal.html", error=why)
    rule = Rule.read(job.payload["doc"])
    played = rehearsal.Rehearsal.open(found)
    titles = rehearsal.titles(played, rule, current_actor())
    return render_template("automation/_rehearsal.html", played=played, titles=titles, form=rule.form)


@bp.get("/rules/action")
@requires_room("rules")
def rules_action() -> str:
    """One more action card for the editor."""
    form = catalog.get(request.args.get("form", "customer"))
    cls = actions.ACTIONS.get(request.args.get("action", ""))
    if cls is None or not cls.suits(form):
        raise NotFound()
    card = Card(editing.new_slot(), cls(cls.blank(form, request.args), form))
    return render_template("automation/_action.html", card=card, form=form)


@bp.get("/forms/<form_key>/action")
@requires("see")
def action_inputs(form_key: str) -> str:
    """The inputs of an action anew, after something was chosen on which the others depend (``target``)."""
    form = catalog.get(form_key)
    cls = actions.ACTIONS.get(request.args.get("action", ""))
    if cls is None or not cls.suits(form):
        raise NotFound()
    slot = request.args.get("slot", "")
    asked = {"target": request.args.get(f"{slot}.target") or request.args.get(f"{slot}.form", "")}
    return render_template(cls.template, action=cls(cls.blank(form, asked), form), slot=slot, form=form)


@bp.get("/forms/<form_key>/action/field")
@requires("see")
def rules_action_field(form_key: str) -> str:
    """The input of a field that was chosen in an action that writes, of the form itself or of another ``form``."""
    form = catalog.get(request.args.get("form") or form_key)
    slot, key = request.args.get("slot", ""), request.args.get("key", "")
    source = catalog.get(form_key)
    one = value_inputs.value_input(form, key, f"{slot}.value.{key}", None, source)
    if one is None:
        raise NotFound()
    return render_template("automation/_set_field.html", one=one, slot=slot)


@bp.post("/rules/<key>/run/<int:record_id>")
@requires_room("rules")
def rules_run_on(key: str, record_id: int) -> Any:
    """The button on a record's page: the rule, on this record."""
    rule = verbs.get(key)
    query.get(rule.form, record_id, current_actor())
    verbs.run(key, current_actor(), [record_id])
    return http.toast("", _("「%(name)s」已开始运行，稍后刷新页面查看结果。", name=rule.label))
