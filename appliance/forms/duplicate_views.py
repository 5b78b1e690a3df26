"""Records that may be one: the warning while typing, the page of pairs, merging two and taking that back."""

from __future__ import annotations

from flask import Response, flash, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as AnyResponse

from ..accounts import permissions
from ..accounts.actor import Actor, current_actor
from ..accounts.guards import requires
from ..core import http, jobs
from ..core.errors import NotFound, UserError
from . import causes, duplicates, live, merging, pairing, panels, query
from .blueprint import bp, open_form, open_record
from .query import Record

PAIRS = 10
"""Pairs on a page: each shows two whole records."""


@bp.post("/forms/<form_key>/similar")
@requires("see")
def similar(form_key: str) -> str:
    """What is being typed may be there already. ``id``: the record that is being changed."""
    form, actor = open_form(form_key), current_actor()
    typed = {key: f.from_form(request.form) for key, f in form.fields.items() if key in request.form}
    own = request.args.get("id", type=http.whole)
    row = live.read_row(form, {key: raw for key, raw in typed.items() if raw not in ("", [])}, None, actor)
    values = {key: value for key, value in row.items() if key in typed and value not in (None, "", [], {})}
    return render_template("forms/_similar.html", form=form, hits=duplicates.similar(form, values, actor, own))


# -- pairs ----------------------------------------------------------------------------------------------------------


@bp.get("/forms/<form_key>/duplicates")
@requires("edit")
def list_duplicates(form_key: str) -> Response:
    """Pairs of records that look alike and that nobody has decided on, side by side. ``job``: a bulk merge that runs."""
    form, actor = open_form(form_key), current_actor()
    found, following = duplicates.open_pairs(form, actor, request.args.get("after", ""), PAIRS)
    job_id = request.args.get("job", type=http.whole)
    return http.render(
        "forms/duplicates.html",
        "forms/_duplicates.html",
        form=form,
        pairs=[pairing.shown(pair, actor) for pair in found],
        following=following,
        may_merge=permissions.can(actor, "delete", form_key),
        sure=duplicates.sure_count(form, actor, pairing.AT_ONCE),
        at_once=pairing.AT_ONCE,
        job=jobs.get(job_id) if job_id else None,
        waiting=duplicates.count(form, actor),
    )


@bp.post("/forms/<form_key>/duplicates")
@requires("edit")
def find_duplicates(form_key: str) -> AnyResponse:
    """Looks through the whole form again."""
    job_id = duplicates.ask(open_form(form_key), current_actor())
    return http.go(url_for("forms.list_duplicates", form_key=form_key, job=job_id))


@bp.post("/forms/<form_key>/duplicates/<int:pair_id>/dismiss")
@requires("edit")
def dismiss_duplicate(form_key: str, pair_id: int) -> AnyResponse:
    duplicates.dismiss(open_form(form_key), pair_id, current_actor())
    return _decided(form_key, pair_id, _("已记下：不是同一个"))


@bp.post("/forms/<form_key>/duplicates/<int:pair_id>/later")
@requires("edit")
def later_duplicate(form_key: str, pair_id: int) -> AnyResponse:
    duplicates.later(open_form(form_key), pair_id, current_actor())
    return _decided(form_key, pair_id, _("一周后再问"))


def _decided(form_key: str, pair_id: int, message: str) -> AnyResponse:
    undo = url_for("forms.reopen_duplicate", form_key=form_key, pair_id=pair_id)
    return http.trigger(http.toast(Response(status=204), message, undo), "guke:refresh")


@bp.post("/forms/<form_key>/duplicates/<int:pair_id>/reopen")
@requires("edit")
def reopen_duplicate(form_key: str, pair_id: int) -> AnyResponse:
    duplicates.reopen(open_form(form_key), pair_id, current_actor())
    return http.trigger(Response(status=204), "guke:refresh")


@bp.post("/forms/<form_key>/duplicates/<int:pair_id>/merge")
@requires("edit")
def merge_duplicate(form_key: str, pair_id: int) -> AnyResponse:
    """Makes one of a pair as it is proposed; can be undone."""
    try:
        merge_id = merging.merge_pair(open_form(form_key), pair_id, current_actor())
    except NotFound:
        # Somebody else was quicker.
        return http.trigger(http.toast(Response(status=204), _("这一对已经处理过了。"), kind="info"), "guke:refresh")
    except UserError as error:
        return http.toast(Response(status=204), error.message, kind="error")
    undo = url_for("forms.part_duplicate", form_key=form_key, merge_id=merge_id)
    return http.trigger(http.toast(Response(status=204), _("已合并为一条"), undo), "guke:refresh")


@bp.post("/forms/<form_key>/merges/<int:merge_id>/part")
@requires("edit")
def part_duplicate(form_key: str, merge_id: int) -> AnyResponse:
    """Takes a merge of this page back, in place."""
    merging.undo(open_form(form_key), merge_id, current_actor())
    return http.trigger(http.toast(Response(status=204), _("已撤销合并，记下不是同一个")), "guke:refresh")


@bp.post("/forms/<form_key>/duplicates/merge-sure")
@requires("delete")
def merge_sure(form_key: str) -> AnyResponse:
    """Merges the pairs that are as good as certain, as a job."""
    job_id = pairing.ask(open_form(form_key), current_actor())
    return http.go(url_for("forms.list_duplicates", form_key=form_key, job=job_id))


# -- merging --------------------------------------------------------------------------------------------------------


@panels.actions("*")
def merge_action(record: Record, actor: Actor) -> list[panels.Action]:
    if not all(permissions.can(actor, verb, record.form.key) for verb in ("edit", "delete")):
        return []
    url = url_for("forms.choose_merge", form_key=record.form.key, record_id=record.id)
    return [panels.Action(_("合并"), url, "arrows-join", "dialog", menu=True)]


@bp.get("/forms/<form_key>/records/<int:record_id>/merge")
@requires("edit")
def choose_merge(form_key: str, record_id: int) -> str:
    """Which record to merge this one with: a dialog."""
    record = open_record(form_key, record_id)
    return render_template("forms/_merge_choose.html", form=record.form, record=record)


@bp.get("/forms/<form_key>/merge")
@requires("edit")
def merge_page(form_key: str) -> AnyResponse:
    """Two records side by side. ``a`` and ``b``: their ids; ``keep``: the one that stays."""
    form, actor = open_form(form_key), current_actor()
    ids = [request.args.get(name, type=http.whole) or 0 for name in ("a", "b")]
    found = query.Query(form, actor).get_many(dict.fromkeys(ids))
    if len(found) != 2:
        raise NotFound(_("请选择两条您能看到的记录来合并。"))
    target, source = merging.fuller(*found)
    if request.args.get("keep", type=http.whole) == source.id:
        target, source = source, target
    return _merge_page(target, source)


def _merge_page(target: Record, source: Record, error: UserError | None = None) -> AnyResponse:
    form, actor = target.form, current_actor()
    return make_response(
        render_template(
            "forms/merge.html",
            form=form,
            target=target,
            source=source,
            choices=merging.choices(target, source, actor),
            moving=merging.pointing_words(form, source.id, actor),
            chosen={key.removeprefix("choose."): value for key, value in request.form.items()},
            error=error,
        ),
        error.status if error else 200,
    )


@bp.post("/forms/<form_key>/merge")
@requires("edit")
def merge_records(form_key: str) -> AnyResponse:
    form, actor = open_form(form_key), current_actor()
    target_id, source_id = (request.form.get(name, 0, type=http.whole) for name in ("target", "source"))
    chosen = {k.removeprefix("choose."): v for k, v in request.form.items() if k.startswith("choose.")}
    try:
        merge_id = merging.merge(form, target_id, source_id, chosen, actor)
    except UserError as error:
        found = query.Query(form, actor).get_many([target_id, source_id])
        if error.status != 422 or len(found) != 2:
            raise
        return _merge_page(found[0], found[1], error)
    flash(_("已合并为一条。"), "success")
    return redirect(url_for("forms.show_merge", form_key=form_key, merge_id=merge_id), 303)


@bp.get("/forms/<form_key>/merges/<int:merge_id>")
@requires("see")
def show_merge(form_key: str, merge_id: int) -> str:
    """What became of two records, and the way back."""
    form, actor = open_form(form_key), current_actor()
    told = merging.get(form, merge_id, actor)
    titles = query.titles(form, [told.target_id, told.source_id], actor)
    return render_template(
        "forms/merged.html",
        form=form,
        told=told,
        titles=titles,
        stays=merging.pointing_words(form, told.target_id, actor, told.at) if not told.undone_at else [],
        may_undo=all(permissions.can(actor, verb, form_key) for verb in ("edit", "delete")),
    )


@bp.post("/forms/<form_key>/merges/<int:merge_id>/undo")
@requires("edit")
def undo_merge(form_key: str, merge_id: int) -> AnyResponse:
    form = open_form(form_key)
    try:
        kept = merging.undo(form, merge_id, current_actor())
    except UserError as error:
        if error.status not in (409, 422):
            raise
        flash(error.message, "error")
    else:
        flash(
            _("已撤销合并。有 %(count)d 个值后来又改过，保留了现在的。", count=kept)
            if kept
            else _("已撤销合并，两条记录都回来了。"),
            "success",
        )
    return http.go(url_for("forms.show_merge", form_key=form_key, merge_id=merge_id))


causes.links("merge")(merging.url_of)
