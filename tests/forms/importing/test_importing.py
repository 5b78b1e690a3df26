"""``guke import``: whom rows belong to, what happens to duplicates, failed rows, dry runs, mappings."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest

from tests.forms.importing.help import csv_file, exported, xlsx_file

ORDERS = [["number", "member_no", "paid_at", "quantity", "amount"], ["N1", "00001", "2026-01-02", "1", "11.77"]]


@pytest.mark.slow
def test_orders_of_cdnow_need_no_mapping(cli, tmp_path, samples):
    file = tmp_path / "cdnow_orders.csv"
    file.write_bytes(gzip.decompress((samples / "cdnow_orders.csv.gz").read_bytes()))
    done = cli("import", "order", file, "--json").ok().json
    assert (done["created"], done["updated"], done["skipped"], done["failed"]) == (69_659, 0, 0, 0)
    assert done["related_created"] == 23_570 and done["ignored"] == ["quantity"]
    assert done["errors_file"] is None and done["import_id"] > 0 and done["seconds"] > 0


def test_headers_that_are_keys_labels_or_identity_kinds_map_themselves(cli, tmp_path):
    assert cli("import", "order", csv_file(tmp_path / "a.csv", ORDERS), "--json").ok().json["ignored"] == ["quantity"]
    labels = [["订单号", "会员号", "付款时间", "实付金额"], ["N2", "00001", "2026-01-03", "5"]]
    assert cli("import", "order", csv_file(tmp_path / "b.csv", labels), "--json").ok().json["ignored"] == []
    english = [["Order number", "Member number", "Paid at", "Amount paid"], ["N3", "00002", "2026-01-03", "5"]]
    assert cli("import", "order", csv_file(tmp_path / "c.csv", english), "--json").ok().json["ignored"] == []
    orders = exported(cli, "order", tmp_path)
    assert orders[0]["客户 · 固客编号"] == orders[1]["客户 · 固客编号"] != orders[2]["客户 · 固客编号"]
    assert [row["会员号"] for row in exported(cli, "customer", tmp_path)] == ["00001", "00002"]


def test_the_taobao_report_is_recognised(cli, tmp_path, samples):
    done = cli("import", "order", samples / "taobao_orders.csv", "--json").ok().json
    assert (done["created"], done["updated"], done["failed"], done["summary"]) == (2400, 25, 0, 1)
    orders = {row["订单号"]: row for row in exported(cli, "order", tmp_path)}
    with (samples / "taobao_orders.csv").open(encoding="gb18030", newline="") as file:
        source = [{k.strip(): v for k, v in row.items()} for row in csv.DictReader(file)][:-1]
    paid = 0
    for row in source:
        order = orders[row["订单编号"].strip('="')]
        assert float(order["实付金额"]) == float(row["买家实际支付金额"].replace(",", ""))
        assert float(order["退款金额"]) == float(row["退款金额"])
        assert (order["渠道"], order["店铺"]) == ("淘宝", "固客示例店")
        assert bool(order["付款时间"]) == bool(row["订单付款时间"])
        paid += bool(row["订单付款时间"])
        if row["订单状态"] == "交易关闭":
            assert order["状态"] == "已关闭"
    assert paid > 2000
    people = {row["淘宝昵称"]: row for row in exported(cli, "customer", tmp_path)}
    assert set(people) == {row["买家会员名"] for row in source}
    assert people[source[0]["买家会员名"]]["省份"] in ("浙江省", "广东省", "四川省", "上海市", "山东省")
    assert done["related_created"] == len(people) and done["children_created"] == 2400


def test_the_preset_can_be_named_or_left_out(cli, tmp_path, samples):
    wrong = cli("import", "order", csv_file(tmp_path / "a.csv", ORDERS), "--preset", "taobao")
    assert wrong.status == 1 and "预设" in wrong.err
    plain = cli("import", "order", samples / "taobao_orders.csv", "--preset", "none", "--dry-run", "--json").ok().json
    assert "channel" not in plain["columns"].values() and plain["columns"]["订单编号"] == "number"


def test_one_person_with_a_nick_and_a_phone_is_one_customer(cli, tmp_path):
    rows = [
        ["number", "taobao_nick", "手机", "姓名"],
        ["N1", "nick-a", "13800138000", "王芳"],
        ["N2", "nick-a", "", ""],
        ["N3", "", "13800138000", ""],
        ["N4", "nick-b", "13800138000", "李伟"],
        ["N5", "", "", "没有身份"],
    ]
    done = cli("import", "order", csv_file(tmp_path / "o.csv", rows), "--json").ok().json
    assert (done["created"], done["related_created"]) == (5, 2)
    one, two, three, four, five = (row["客户"] for row in exported(cli, "order", tmp_path))
    assert one == two == three == "王芳" and four == "李伟" and five == ""


def test_blanks_of_a_known_customer_are_filled_and_what_is_there_stays(cli, tmp_path):
    first = [["number", "taobao_nick", "收货人姓名"], ["N1", "nick-a", "王芳"]]
    cli("import", "order", csv_file(tmp_path / "a.csv", first)).ok()
    second = [["number", "taobao_nick", "收货人姓名", "联系手机"], ["N2", "nick-a", "别人", "13800138000"]]
    cli("import", "order", csv_file(tmp_path / "b.csv", second)).ok()
    (customer,) = exported(cli, "customer", tmp_path)
    assert (customer["姓名"], customer["手机"]) == ("王芳", "13800138000")


@pytest.mark.parametrize(
    ("rule", "counts", "amounts"),
    [
        ("update", {"created": 2, "updated": 2, "skipped": 0, "failed": 0}, ["3.0", "4.0"]),
        ("skip", {"created": 2, "updated": 0, "skipped": 2, "failed": 0}, ["1.0", "2.0"]),
        ("create", {"created": 2, "updated": 0, "skipped": 0, "failed": 2}, ["1.0", "2.0"]),
    ],
)
def test_duplicates_within_the_file_and_in_the_database_follow_one_rule(cli, tmp_path, rule, counts, amounts):
    rows = [["number", "amount"], ["N1", "1"], ["N2", "2"], ["N1", "3"], ["N2", "4"]]
    once = cli("import", "order", csv_file(tmp_path / "o.csv", rows), "--on-duplicate", rule, "--json").ok().json
    assert {name: once[name] for name in counts} == counts
    assert [row["实付金额"] for row in exported(cli, "order", tmp_path)] == amounts
    again = cli("import", "order", tmp_path / "o.csv", "--on-duplicate", rule, "--json").ok().json
    assert again["created"] == 0 and again["updated"] + again["skipped"] + again["failed"] == 4


def test_an_update_leaves_alone_what_the_file_leaves_empty(cli, tmp_path):
    cli("import", "order", csv_file(tmp_path / "a.csv", [["number", "amount", "remark"], ["N1", "5", "好"]])).ok()
    cli("import", "order", csv_file(tmp_path / "b.csv", [["number", "amount", "remark"], ["N1", "", "改"]])).ok()
    (order,) = exported(cli, "order", tmp_path)
    assert (order["实付金额"], order["备注"]) == ("5.0", "改")


def test_customers_are_found_by_any_identity(cli, tmp_path):
    cli(
        "import", "customer", csv_file(tmp_path / "a.csv", [["会员号", "手机", "姓名"], ["M1", "13800138000", "王芳"]])
    ).ok()
    rows = [
        ["会员号", "抖音号", "手机", "城市"],
        ["", "dy1", "13800138000", "杭州"],
        ["M1", "", "", "上海"],
        ["M2", "", "", "广州"],
    ]
    done = cli("import", "customer", csv_file(tmp_path / "b.csv", rows), "--json").ok().json
    assert (done["created"], done["updated"], done["failed"]) == (1, 2, 0)
    first, second = exported(cli, "customer", tmp_path)
    assert (first["会员号"], first["抖音号"], first["城市"], second["会员号"]) == ("M1", "dy1", "上海", "M2")


def test_the_key_can_be_any_mapped_field(cli, tmp_path):
    cli(
        "import",
        "customer",
        csv_file(tmp_path / "a.csv", [["姓名", "会员号"], ["王芳", "1"], ["李伟", "2"], ["李伟", "3"]]),
    ).ok()
    rows = [["姓名", "城市"], ["王芳", "杭州"], ["李伟", "上海"], ["新人", "广州"]]
    done = cli("import", "customer", csv_file(tmp_path / "b.csv", rows), "--key", "name", "--json").ok().json
    # Two people are called 李伟: nothing says which one is meant.
    assert (done["created"], done["updated"], done["failed"]) == (1, 1, 1)
    wrong = cli("import", "customer", tmp_path / "b.csv", "--key", "phone")
    assert wrong.status == 1 and "phone" in wrong.err


def test_failed_rows_come_back_as_a_file_that_can_be_mended_and_imported(cli, tmp_path):
    rows = [
        ["number", "amount", "paid_at", "多余"],
        ["N1", "1", "2026-01-01", "x"],
        ["N2", "十元", "昨天", "=1+1"],
        ["", "3", "", "y"],
    ]
    done = cli("import", "order", xlsx_file(tmp_path / "o.xlsx", rows), "--json").ok().json
    assert (done["created"], done["failed"]) == (1, 2)
    from python_calamine import CalamineWorkbook

    header, second, third = CalamineWorkbook.from_path(done["errors_file"]).get_sheet_by_index(0).to_python()
    assert header == [*rows[0], "失败原因"]
    assert second[:3] == ["N2", "十元", "昨天"] and "实付金额" in second[4] and "付款时间" in second[4]
    assert "订单号" in third[4]
    mended = [[*rows[0], "失败原因"], ["N2", "10", "2026-01-02", "", second[4]]]
    assert cli("import", "order", xlsx_file(tmp_path / "m.xlsx", mended), "--json").ok().json["created"] == 1


def test_a_bad_cell_can_be_left_empty_instead(cli, tmp_path):
    file = csv_file(tmp_path / "o.csv", [["number", "amount", "paid_at"], ["N1", "十元", "2026-01-01"]])
    assert cli("import", "order", file, "--bad-cells", "empty", "--json").ok().json["created"] == 1
    (order,) = exported(cli, "order", tmp_path)
    assert (order["实付金额"], order["付款时间"]) == ("", "2026-01-01 00:00")


def test_a_dry_run_says_what_is_wrong_and_writes_nothing(cli, tmp_path):
    rows = [["number", "amount"], ["N1", "1"], ["N2", "十元"], ["N1", "3"], ["", ""]]
    done = cli("import", "order", csv_file(tmp_path / "o.csv", rows), "--dry-run", "--json").ok().json
    assert (done["rows"], done["bad_rows"], done["repeated_keys"], done["blank"]) == (3, 1, 1, 1)
    assert done["bad"] == {"amount": 1} and done["key"] == "number"
    assert exported(cli, "order", tmp_path) == []


def test_a_mapping_file_decides(cli, tmp_path):
    file = csv_file(tmp_path / "o.csv", [["单", "买家", "amount"], ["N1", "M9", "5"]])
    mapping = tmp_path / "map.json"
    mapping.write_text(json.dumps({"单": "number", "买家": "customer.member_no", "amount": None}), encoding="utf-8")
    done = cli("import", "order", file, "--map", mapping, "--json").ok().json
    assert (done["created"], done["ignored"]) == (1, ["amount"])
    assert exported(cli, "customer", tmp_path)[0]["会员号"] == "M9"
    mapping.write_text('{"单": "nummer"}', encoding="utf-8")
    wrong = cli("import", "order", file, "--map", mapping)
    assert wrong.status == 1 and "nummer" in wrong.err
    mapping.write_text('{"不存在": "number"}', encoding="utf-8")
    assert "不存在" in cli("import", "order", file, "--map", mapping).err


def test_items_come_along_with_new_orders_only(cli, tmp_path):
    rows = [["订单号", "商品名称", "数量", "单价"], ["N1", "眼霜", "2", "199"]]
    done = cli("import", "order", csv_file(tmp_path / "o.csv", rows), "--json").ok().json
    assert (done["created"], done["children_created"]) == (1, 1)
    assert cli("import", "order", tmp_path / "o.csv", "--json").ok().json["children_created"] == 0
    (item,) = exported(cli, "order_item", tmp_path)
    assert (item["商品名称"], item["数量"], item["单价"], item["订单"]) == ("眼霜", "2.0", "199.0", "N1")


def test_the_taobao_item_report_finds_its_orders(cli, tmp_path):
    cli("import", "product", csv_file(tmp_path / "p.csv", [["商品编码", "商品名称"], ["S1", "眼霜"]])).ok()
    cli("import", "order", csv_file(tmp_path / "o.csv", [["number"], ["N1"]])).ok()
    rows = [
        ["订单编号", "标题", "价格", "购买数量", "商家编码"],
        ['="N1"', "眼霜 15g", "199", "1", "S1"],
        ['="N2"', "面膜", "99", "3", ""],
    ]
    done = cli("import", "order_item", csv_file(tmp_path / "i.csv", rows), "--json").ok().json
    assert (done["created"], done["related_created"]) == (2, 1)
    first, second = exported(cli, "order_item", tmp_path)
    assert (first["订单"], first["商品"], second["订单"]) == ("N1", "眼霜", "N2")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["customer", "nowhere.csv"], "nowhere.csv"), (["nothing", "{file}"], "nothing"), (["undo", "99"], "99"),
        (["undo", "x"], "编号"), (["order", "{empty}"], "订单号"), (["customer", "{file}", "--sheet", "9"], "9"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_one_sentence(cli, tmp_path, args, words):
    places = {
        "{file}": csv_file(tmp_path / "f.csv", [["会员号"], ["1"]]), "{empty}": csv_file(tmp_path / "e.csv", [["amount"], ["1"]]),
    }  # fmt: skip
    done = cli("import", *(places.get(arg, arg) for arg in args), "--json")
    assert done.status == 1 and words in done.json["error"], done
    assert "意外" not in done.json["error"]


def test_a_text_file_of_one_column_is_a_table_too(cli, tmp_path):
    file = tmp_path / "numbers.txt"
    file.write_text("会员号\n1\n2\n", encoding="utf-8")
    assert cli("import", "customer", file, "--json").ok().json["created"] == 2


def test_a_header_without_rows_imports_nothing(cli, tmp_path):
    done = cli("import", "customer", csv_file(tmp_path / "h.csv", [["会员号", "姓名"]]), "--json").ok().json
    assert (done["created"], done["failed"]) == (0, 0)


def test_errors_do_not_litter_the_folder_of_the_source(cli, tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    file = csv_file(folder / "o.csv", [["number", "amount"], ["N1", "x"]])
    done = cli("import", "order", file, "--json").ok().json
    assert list(folder.iterdir()) == [file] and Path(done["errors_file"]).exists()
