"""The field type ``identities``: ``{"member_no": ["00001"], "douyin_id": [{"value": "u1", "scope": "shop-2"}]}``.

Writing replaces the kinds that are named and leaves the others; ``{"add": […], "remove": […]}`` with entries such as
``"member_no:00001"`` (the shape that Changes have) adds and removes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import peewee
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from ..core import dialect
from ..forms.fields import register
from ..forms.fields.base import FieldError, Spec
from ..forms.fields.link import LinkField
from ..forms.hooks import Cause
from . import identities
from .identities import FIELD, Key
from .kinds import build
from .models import Identity

DELTA = {"add", "remove"}


@register
class Identities(LinkField):
    type = "identities"
    name = _l("平台身份")
    icon = "id"
    only_forms = ("customer",)
    addable = False
    operators = ("has_any", "has_none", "eq", "empty", "not_empty")
    input_template = "customers/fields/identities.html"

    def check_options(self) -> None:
        self.kinds = build(self.options.get("kinds", []))

    def import_parts(self) -> dict[str, Spec]:
        return {key: Spec(key, kind.spec_label, kind.field_type) for key, kind in self.kinds.items()}

    def holders(self, kind: str, values: list[Any]) -> dict[Any, int]:
        return identities.holders(kind, values)

    # -- in and out ---------------------------------------------------------------------------------------------

    def parse(self, raw: Any) -> dict[str, Any]:
        if raw is None or raw == "" or raw == []:
            return {}
        if isinstance(raw, str):
            raw = [part for line in raw.splitlines() for part in line.split(",") if part.strip()]
        if isinstance(raw, list):
            return self._parse_list(raw)
        if not isinstance(raw, dict):
            raise FieldError(_('身份要写成 {"会员号的种类": ["值"]}，例如 {"member_no": ["00001"]}。'))
        if raw.keys() <= DELTA:
            if not all(isinstance(entries, list) for entries in raw.values()):
                raise FieldError(_('身份要写成 {"add": ["member_no:00001"], "remove": […]}。'))
            return {key: [self._read(entry).text() for entry in raw[key]] for key in raw}
        return {kind: self._values(kind, given) for kind, given in raw.items()}

    def _parse_list(self, raw: list[Any]) -> dict[str, Any]:
        found: dict[str, list[Any]] = defaultdict(list)
        for entry in raw:
            key = self._read(entry)
            found[key.kind].append(_entry(key))
        return dict(found)

    def _values(self, kind: str, given: Any) -> list[Any]:
        items = given if isinstance(given, list) else [] if given is None or given == "" else [given]
        keys = dict.fromkeys(self._key(kind, item) for item in items)
        return [_entry(key) for key in keys]

    def _key(self, kind: str, item: Any) -> Key:
        known = self.kinds.get(kind)
        if known is None:
            raise FieldError(_("没有「%(kind)s」这种身份，可用：%(all)s。", kind=kind, all=", ".join(self.kinds)))
        scope = ""
        if isinstance(item, dict):
            scope, item = str(item.get("scope") or ""), item.get("value")
        return Key(kind, known.parse(item), scope)

    def _read(self, entry: Any) -> Key:
        """``member_no:00001`` → its key."""
        head, colon, value = str(entry).partition(":")
        kind, _at, scope = head.strip().partition("@")
        if not colon:
            raise FieldError(_("身份要写成“种类:值”，例如 member_no:00001。"))
        return self._key(kind, {"value": value.strip(), "scope": scope})

    def format(self, value: Any) -> str:
        if not value:
            return ""
        if isinstance(value, list):
            return _("、").join(map(self._said, value))
        if value.keys() <= DELTA:
            return _("、").join([f"+{e}" for e in value.get("add", [])] + [f"−{e}" for e in value.get("remove", [])])
        return _("、").join(f"{self.kind_label(key.kind)} {key.value}" for key in keys_of(value))

    def _said(self, entry: str) -> str:
        """An entry of a Change for people: ``会员号 00001``."""
        head, _colon, value = entry.partition(":")
        return f"{self.kind_label(head.partition('@')[0])} {value}"

    def from_form(self, given: Any) -> Any:
        """All identities, a line each: a kind whose last line was taken away is emptied."""
        found: dict[str, list[Any]] = {kind: [] for kind in given.getlist(f"{self.key}_kinds") if kind in self.kinds}
        for line in given.get(self.key, "").splitlines():
            head, _colon, value = line.strip().partition(":")
            kind, _at, scope = head.strip().partition("@")
            if kind:
                found.setdefault(kind, []).append({"value": value.strip(), "scope": scope})
        return found

    def form_value(self, value: Any) -> str:
        return "\n".join(sorted(key.text() for key in keys_of(value or {})))

    def kind_label(self, kind: str) -> str:
        return self.kinds[kind].label if kind in self.kinds else kind

    def render(self, value: Any, record: Any = None) -> Markup:
        return Markup(" ").join(
            Markup('<span class="identity"><small>{}</small> {}</span>').format(self.kind_label(key.kind), key.value)
            for key in keys_of(value or {})
        )

    def schema(self) -> dict[str, Any]:
        entry = {"type": ["string", "object"]}
        return {
            "type": ["object", "null"],
            "properties": {kind: {"type": "array", "items": entry} for kind in self.kinds},
            "example": {"member_no": ["00001"]},
        }

    # -- conditions ---------------------------------------------------------------------------------------------

    def compile_positive(self, column: Any, op: str, value: Any, ctx: Any) -> Any:
        """``has_any``: kinds that the customer has; ``eq``: a value, of whatever kind."""
        rows = Identity.select(Identity.customer_id).where(Identity.active == True)  # noqa: E712
        mine = ctx.tied(Identity.customer_id)
        if mine is not None:
            rows = rows.where(mine)
        if op == "has_any":
            rows = rows.where(Identity.kind.in_([str(v) for v in self._list(value)]))
        elif op == "eq":
            if not isinstance(value, (str, int)) or value == "":
                raise FieldError(_("请给出「%(field)s」要比较的值。", field=self.label))
            # The kind is named, all of them, so that the index leads to the value.
            rows = rows.where(Identity.kind.in_(list(self.kinds)), Identity.value == str(value).strip())
        return column.in_(rows)

    def compile(self, column: Any, op: str, value: Any, ctx: Any) -> Any:
        if op == "empty":
            return dialect.negate(self.compile_positive(column, "not_empty", value, ctx))
        return super().compile(column, op, value, ctx)

    def _word(self, value: Any) -> str:
        return self.kind_label(value) if isinstance(value, str) else str(value)

    # -- storage ------------------------------------------------------------------------------------------------

    def named(self, value: dict[str, Any]) -> list[Key]:
        """The identities that a stored value (or a delta) wants the customer to have."""
        return [self._read(e) for e in value.get("add", [])] if value.keys() <= DELTA else keys_of(value)

    def load(self, ids: Iterable[int]) -> dict[int, Any]:
        found: dict[int, dict[str, list[Any]]] = {}
        for customer_id, keys in identities.of(ids).items():
            values: dict[str, list[Any]] = defaultdict(list)
            for key, evidence in keys.items():
                # The customer's own phone and e-mail stand in their fields.
                if evidence != FIELD:
                    values[key.kind].append(_entry(key))
            if values:
                found[customer_id] = dict(values)
        return found

    def write(self, values: dict[int, Any], actor_id: int | None, cause: Cause) -> dict[int, Any]:
        evidence = f"{cause.kind}:{cause.id}" if cause.id is not None else cause.kind
        newest = Identity.select(peewee.fn.MAX(Identity.customer_id)).scalar() or 0
        if min(values) > newest and not any(map(_is_special, values.values())):
            # Nobody here holds anything yet.
            identities.add_plain(_flat(values), evidence)
            return {i: {"add": [key.text() for key in keys_of(value)]} for i, value in values.items() if value}
        held = identities.of(i for i in values if i <= newest)
        added: list[tuple[int, Key]] = []
        removed: list[tuple[int, Key]] = []
        deltas: dict[int, Any] = {}
        for customer_id, value in values.items():
            if not value:
                continue
            if customer_id > newest:
                keys = self.named(value)
                added += [(customer_id, key) for key in keys]
                if keys:
                    deltas[customer_id] = {"add": [key.text() for key in keys]}
                continue
            new, old = self._delta(value, held.get(customer_id, {}))
            added += [(customer_id, key) for key in new]
            removed += [(customer_id, key) for key in old]
            delta = {"add": [key.text() for key in new], "remove": [key.text() for key in old]}
            if new or old:
                deltas[customer_id] = {name: keys for name, keys in delta.items() if keys}
        identities.remove(removed)
        identities.add(added, evidence)
        return deltas

    def _delta(self, value: dict[str, Any], held: dict[Key, str]) -> tuple[list[Key], list[Key]]:
        """What to add and what to remove; identities that stand in fields of their own stay."""
        mine = [key for key, evidence in held.items() if evidence != FIELD]
        if value.keys() <= DELTA:
            add, drop = [self._read(e) for e in value.get("add", [])], [self._read(e) for e in value.get("remove", [])]
            return [key for key in add if key not in held], [key for key in drop if key in mine]
        wanted = keys_of(value)
        return [key for key in wanted if key not in held], [k for k in mine if k.kind in value and k not in wanted]

    def created(self, record_id: Any) -> Any:
        groups = (
            Identity.select(Identity.kind.alias("kind"), dialect.json_list(Identity.value).alias("found"))
            .where(Identity.customer_id == record_id)
            .group_by(Identity.kind)
        )
        kind, found = peewee.Column(groups, "kind"), peewee.Column(groups, "found")
        return dialect.as_json(peewee.Select([groups], [dialect.json_map(kind, dialect.as_json(found))]))

    def released(self, ids: list[int]) -> None:
        identities.set_active(ids, False)

    def purged(self, ids: list[int]) -> None:
        Identity.delete().where(dialect.among(Identity.customer_id, ids)).execute()

    def reclaimed(self, ids: list[int]) -> dict[int, str]:
        wanted = {i: list(keys) for i, keys in identities.of(ids).items()}
        held = identities.owners({key for keys in wanted.values() for key in keys})
        taken: dict[int, str] = {}
        first: dict[Key, int] = {}
        for customer_id in ids:
            for key in wanted.get(customer_id, []):
                owner = held.get(key) or first.setdefault(key, customer_id)
                if owner != customer_id:
                    taken[customer_id] = identities.taken_message(key, owner, None)
        return taken


def _is_special(value: dict[str, Any]) -> bool:
    """Whether a value is a change to what is held, or has identities of one shop only."""
    return value.keys() <= DELTA or any(type(entry) is not str for entries in value.values() for entry in entries)


def _flat(values: dict[int, Any]) -> Iterator[tuple[int, str, str]]:
    for customer_id, value in values.items():
        for kind, entries in value.items():
            for entry in entries:
                yield customer_id, kind, entry


def _entry(key: Key) -> Any:
    return {"value": key.value, "scope": key.scope} if key.scope else key.value


def keys_of(value: dict[str, Any]) -> list[Key]:
    """The keys of a stored value."""
    return [
        Key(kind, entry["value"], entry["scope"]) if isinstance(entry, dict) else Key(kind, entry)
        for kind, entries in value.items()
        for entry in entries
    ]
