"""Rights of roles: what people get from one role, and from several."""

from __future__ import annotations

import pytest


@pytest.fixture
def narrow(app):
    """Bo may see and edit only customers of Hangzhou; the phone is masked, the remark hidden."""
    from appliance.accounts import users
    from appliance.accounts.actor import SYSTEM
    from appliance.accounts.permissions import FormRights, Rights

    rights = FormRights(
        frozenset({"see", "edit"}),
        {"field": "city", "op": "eq", "value": "杭州"},
        {"phone": "masked", "remark": "hidden", "level": "read"},
    )
    users.add_role("hangzhou", {"zh": "杭州客服", "en": "Hangzhou"}, Rights(forms={"customer": rights}))
    bo = users.by_login("bo").id
    users.update(bo, SYSTEM, role="hangzhou")
    return users.actor_of(bo)


def test_a_narrow_role_narrows_verbs_rows_and_fields(narrow):
    from appliance.accounts.permissions import can, field_access, scope

    assert can(narrow, "see", "customer") and can(narrow, "edit", "customer")
    assert not can(narrow, "export", "customer") and not can(narrow, "see", "order")
    assert can(narrow, "see") and not can(narrow, "import")
    assert scope(narrow, "customer") == {"field": "city", "op": "eq", "value": "杭州"}
    found = [field_access(narrow, "customer", f) for f in ("phone", "remark", "level", "name")]
    assert found == ["masked", "hidden", "read", "edit"]
    assert field_access(narrow, "order", "number") == "hidden"
    assert scope(narrow, "order") == {"any": []}


def test_a_second_role_only_adds(narrow):
    from appliance.accounts import users
    from appliance.accounts.cache import forget
    from appliance.accounts.models import Role, UserRole
    from appliance.accounts.permissions import FormRights, Rights, can, field_access, scope
    from appliance.core.db import write

    shanghai = {"field": "city", "op": "eq", "value": "上海"}
    rights = Rights(forms={"customer": FormRights(frozenset({"see", "export"}), shanghai, {"phone": "read"})})
    users.add_role("shanghai", "Shanghai", rights)
    with write():
        UserRole.insert(user=narrow.id, role=Role.get(Role.key == "shanghai").id).execute()
        forget()
    both = users.actor_of(narrow.id)
    assert can(both, "export", "customer") and can(both, "edit", "customer")
    assert scope(both, "customer") == {"any": [{"field": "city", "op": "eq", "value": "杭州"}, shanghai]}
    assert field_access(both, "customer", "phone") == "read"


def test_staff_work_with_records_but_neither_design_nor_purge(app):
    from appliance.accounts import users
    from appliance.accounts.permissions import VERBS, can, scope

    bo = users.actor_of(users.by_login("bo").id)
    assert {v for v in VERBS if can(bo, v, "customer")} == set(VERBS) - {"design", "purge"}
    assert scope(bo, "customer") == {}


def test_the_appliance_itself_may_do_everything(app):
    from appliance.accounts.actor import SYSTEM
    from appliance.accounts.permissions import VERBS, can, field_access, scope

    assert all(can(SYSTEM, verb, "customer") for verb in VERBS)
    assert scope(SYSTEM, "customer") == {} and field_access(SYSTEM, "customer", "phone") == "edit"


def test_a_right_that_does_not_exist_is_an_error_not_a_silent_no(app):
    from appliance.accounts.actor import SYSTEM
    from appliance.accounts.guards import requires
    from appliance.accounts.permissions import Rights, can

    with pytest.raises(ValueError, match="fly"):
        can(SYSTEM, "fly", "customer")
    with pytest.raises(ValueError, match="fly"):
        requires("fly")
    with pytest.raises(ValueError, match="fly"):
        Rights.open({"forms": {"customer": {"verbs": ["fly"]}}})
