"""An import can be taken back: once, whole, and without taking away what people did since."""

from __future__ import annotations

import csv

import pytest

from tests.forms.importing.help import csv_file, exported


def _import(cli, form, path, rows, *options):
    return cli("import", form, csv_file(path, rows), *options, "--json").ok().json["import_id"]


def test_what_was_made_goes_and_comes_back_out_of_the_recycle_bin(cli, tmp_path):
    rows = [["number", "member_no", "商品名称"], *([f"N{n}", f"M{n % 3}", "眼霜"] for n in range(1200))]
    import_id = _import(cli, "order", tmp_path / "o.csv", rows)
    done = cli("import", "undo", str(import_id), "--json").ok().json
    assert done["deleted"] == 1200 + 1200 + 3 and done["import_id"] == import_id
    for form in ("order", "order_item", "customer"):
        assert exported(cli, form, tmp_path) == []
    # Numbers and identities are free again.
    assert cli("import", "order", tmp_path / "o.csv", "--json").ok().json["created"] == 1200


def test_an_import_is_taken_back_once(cli, tmp_path):
    import_id = _import(cli, "order", tmp_path / "o.csv", [["number"], ["N1"]])
    cli("import", "undo", str(import_id)).ok()
    again = cli("import", "undo", str(import_id))
    assert again.status == 1 and "撤销过" in again.err


def test_changed_fields_get_their_old_values_back_unless_they_changed_again(cli, tmp_path):
    base = [["number", "amount", "remark", "shop"], ["N1", "1", "原", "甲店"], ["N2", "2", "原", "甲店"]]
    _import(cli, "order", tmp_path / "a.csv", base)
    changed = [
        ["number", "amount", "remark", "shop"],
        ["N1", "10", "新", ""],
        ["N2", "20", "新", ""],
        ["N3", "30", "新", ""],
    ]
    import_id = _import(cli, "order", tmp_path / "b.csv", changed)
    _import(cli, "order", tmp_path / "c.csv", [["number", "remark"], ["N2", "后来"]])
    done = cli("import", "undo", str(import_id), "--json").ok().json
    assert (done["deleted"], done["restored"], done["kept_fields"]) == (1, 2, 1)
    orders = {row["订单号"]: row for row in exported(cli, "order", tmp_path)}
    assert {n: (r["实付金额"], r["备注"], r["店铺"]) for n, r in orders.items()} == {
        "N1": ("1.0", "原", "甲店"), "N2": ("2.0", "后来", "甲店"),
    }  # fmt: skip


def test_a_value_changed_twice_by_one_import_goes_back_to_the_first(cli, tmp_path):
    _import(cli, "order", tmp_path / "a.csv", [["number", "amount"], ["N1", "1"]])
    rows = [["number", "amount"], ["N1", "2"], *([f"X{n}", "0"] for n in range(1500)), ["N1", "3"]]
    import_id = _import(cli, "order", tmp_path / "b.csv", rows)
    assert exported(cli, "order", tmp_path)[0]["实付金额"] == "3.0"
    cli("import", "undo", str(import_id)).ok()
    assert [(r["订单号"], r["实付金额"]) for r in exported(cli, "order", tmp_path)] == [("N1", "1.0")]


def test_a_customer_made_along_the_way_stays_when_others_need_them(cli, tmp_path):
    first = _import(cli, "order", tmp_path / "a.csv", [["number", "member_no"], ["N1", "M1"], ["N2", "M2"]])
    _import(cli, "order", tmp_path / "b.csv", [["number", "member_no"], ["N3", "M1"]])
    done = cli("import", "undo", str(first), "--json").ok().json
    assert (done["deleted"], done["kept_records"]) == (3, 1)
    assert [row["会员号"] for row in exported(cli, "customer", tmp_path)] == ["M1"]
    assert exported(cli, "order", tmp_path)[0]["客户 · 固客编号"] != ""


def test_identities_and_tags_that_the_import_added_are_taken_off_again(cli, tmp_path):
    _import(cli, "customer", tmp_path / "a.csv", [["会员号", "姓名", "标签"], ["M1", "王芳", "老客"]])
    rows = [["会员号", "抖音号", "标签"], ["M1", "dy1", "新粉、高潜"]]
    import_id = _import(cli, "customer", tmp_path / "b.csv", rows)
    (row,) = exported(cli, "customer", tmp_path)
    assert row["抖音号"] == "dy1" and set(row["标签"].split("、")) == {"老客", "新粉", "高潜"}
    cli("import", "undo", str(import_id)).ok()
    (row,) = exported(cli, "customer", tmp_path)
    assert (row["会员号"], row["抖音号"], row["标签"]) == ("M1", "", "老客")


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_what_is_exported_comes_back_as_it_was(cli, tmp_path, samples, suffix):
    cli("import", "order", samples / "taobao_orders.csv").ok()
    extra = [
        ["会员号", "姓名", "生日", "性别", "标签", "备注", "手机"],
        ["M1", "=1+1", "1990-02-28", "女", "甲、乙", "两\n行", "+14155552671"],
    ]
    cli("import", "customer", csv_file(tmp_path / "c.csv", extra)).ok()
    before = {form: exported(cli, form, tmp_path) for form in ("customer", "order", "order_item")}
    for form in before:
        cli("export", form, tmp_path / f"{form}.{suffix}").ok()
    for form in ("order_item", "order", "customer"):
        done = cli("import", form, tmp_path / f"{form}.{suffix}", "--key", "id", "--json").ok().json
        assert (done["created"], done["failed"]) == (0, 0), (form, done)
    assert {form: exported(cli, form, tmp_path) for form in before} == before


def test_text_in_an_exported_csv_never_begins_a_formula(cli, tmp_path):
    names = ["=cmd()", "+1", "-2", "@sum", "'=x", "\t=x"]
    cli(
        "import",
        "customer",
        csv_file(tmp_path / "c.csv", [["会员号", "姓名"], *([str(i), n] for i, n in enumerate(names))]),
    ).ok()
    cli("export", "customer", tmp_path / "out.csv").ok()
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.reader(file):
            assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in row)


def test_an_export_takes_a_condition(cli, tmp_path):
    cli("import", "customer", csv_file(tmp_path / "c.csv", [["会员号", "城市"], ["1", "杭州"], ["2", "上海"]])).ok()
    where = '{"field": "city", "op": "eq", "value": "杭州"}'
    assert cli("export", "customer", tmp_path / "o.xlsx", "--where", where, "--json").ok().json["records"] == 1
    assert cli("export", "customer", tmp_path / "o.xlsx", "--where", "{", "--json").status == 1
    assert cli("export", "customer", tmp_path / "o.pdf", "--json").status == 1
