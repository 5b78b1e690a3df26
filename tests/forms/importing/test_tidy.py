"""Uploaded and exported files do not stay for ever."""

from __future__ import annotations

import io

from appliance.core import jobs
from tests.forms.importing.test_wizard import ORDERS, _draft


def test_drafts_old_files_and_fetched_exports_go_at_night(client, clock, work):
    from appliance.core.models import FileRow

    # Back first: a session would not last for three months.
    clock.move(days=-98)
    draft = _draft(client)
    done = _draft(client)
    client.post(f"{done}/options", data={"key": "number", "start": "1"})
    work()
    assert FileRow.select().count() == 3
    clock.move(days=8)
    jobs.enqueue("import.tidy")
    work()
    assert client.get(draft).status_code == 404
    assert client.get(f"{done}/file").data.decode() == ORDERS
    clock.move(days=90)
    jobs.enqueue("import.tidy")
    work()
    assert client.get(f"{done}/file").status_code == 404 == client.get(f"{done}/errors").status_code
    assert FileRow.select().count() == 0
    page = client.get(done).text
    assert "原文件" not in page and "撤销这次导入" in page


def test_the_same_file_can_be_imported_again_after_its_files_went(client, clock, work):
    clock.move(days=-100)
    where = _draft(client)
    client.post(f"{where}/options", data={"key": "number", "start": "1"})
    work()
    clock.move(days=100)
    jobs.enqueue("import.tidy")
    work()
    answer = client.post(
        "/forms/order/import",
        data={"file": (io.BytesIO(ORDERS.encode()), "orders.csv")},
        content_type="multipart/form-data",
    )
    assert answer.status_code == 303
