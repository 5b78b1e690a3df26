"""Files as companies really bring them are understood; what is ambiguous is refused, not guessed."""

from __future__ import annotations

import copy
import datetime as dt
import zipfile
from pathlib import Path

import pytest

from tests.forms.importing.help import csv_file, exported, xlsx_file

HERE = Path(__file__).parent
PEOPLE = [["会员号", "姓名", "备注"], ["A1", "王芳", "常客，爱吃辣"], ["A2", "李伟🌸", "第一行\n第二行"]]


@pytest.mark.parametrize(
    ("encoding", "delimiter"),
    [
        ("utf-8", ","), ("utf-8-sig", ","), ("gb18030", ","), ("gb18030", "\t"), ("utf-8", ";"), ("utf-16", "\t"),
        ("utf-8-sig", "|"),
    ],
)  # fmt: skip
def test_csv_is_read_in_every_usual_encoding_and_with_every_separator(cli, tmp_path, encoding, delimiter):
    file = csv_file(tmp_path / "people.csv", PEOPLE, encoding, delimiter)
    assert cli("import", "customer", file, "--json").ok().json["created"] == 2
    rows = exported(cli, "customer", tmp_path)
    assert [(r["会员号"], r["姓名"], r["备注"]) for r in rows] == [tuple(row) for row in PEOPLE[1:]]


def test_gb18030_is_recognised_from_the_whole_file_not_from_its_start(cli, tmp_path):
    rows = [["member_no", "name"], *([f"A{n}", "plain"] for n in range(3000)), ["Z", "龚堃"]]
    file = csv_file(tmp_path / "late.csv", rows, "gb18030")
    assert cli("import", "customer", file, "--json").ok().json["created"] == 3001
    assert exported(cli, "customer", tmp_path)[-1]["姓名"] == "龚堃"


def test_an_xls_workbook_is_read(cli, tmp_path):
    assert cli("import", "customer", HERE / "data" / "members.xls", "--json").ok().json["created"] == 2
    first, second = exported(cli, "customer", tmp_path)
    assert (first["会员号"], first["姓名"], first["手机"], first["生日"]) == (
        "A001",
        "王芳",
        "13800138000",
        "1990-05-01",
    )
    assert second["手机"] == "0571-88888888"


def test_a_web_page_called_xls_is_read(cli, tmp_path):
    file = tmp_path / "report.xls"
    file.write_bytes(
        "<html><head><meta charset=gbk></head><body><table><tr><td>说明</td></tr></table><table border=1>"
        "<tr><th>会员号</th><th>姓名</th><th>手机</th></tr><tr><td>='A1'</td><td>王芳&amp;李伟</td><td>13800138000</td>"
        "</tr></table></body></html>".replace("='A1'", '="A1"').encode("gb18030")
    )
    assert cli("import", "customer", file, "--json").ok().json["created"] == 1
    (row,) = exported(cli, "customer", tmp_path)
    assert (row["会员号"], row["姓名"], row["手机"]) == ("A1", "王芳&李伟", "13800138000")


def test_marks_that_keep_excel_away_are_taken_off(cli, tmp_path):
    file = tmp_path / "marked.csv"
    file.write_text(
        "会员号,手机,姓名,备注\n=\"0042\",\"'13800138000\t\",'+甲,'null\n'0043,'null,'90后小王,\n", encoding="utf-8"
    )
    assert cli("import", "customer", file, "--json").ok().json["created"] == 2
    first, second = exported(cli, "customer", tmp_path)
    assert (first["会员号"], first["手机"], first["备注"]) == ("0042", "13800138000", "")
    assert (first["姓名"], second["会员号"], second["手机"]) == ("'+甲", "0043", "")
    # A ' that people wrote themselves stays.
    assert second["姓名"] == "'90后小王"


def test_titles_two_row_headers_blank_rows_and_totals_are_not_records(cli, tmp_path, samples):
    mapping = tmp_path / "map.json"
    mapping.write_text('{"用户/用户ID": "douyin_id", "联系方式/手机": null}', encoding="utf-8")
    done = cli("import", "customer", samples / "live_room.xlsx", "--map", mapping, "--json").ok().json
    assert (done["created"], done["failed"], done["blank"], done["summary"]) == (1500, 0, 1, 1)
    assert "观看/累计观看时长(分钟)" in done["ignored"]
    names = {row["昵称"] for row in exported(cli, "customer", tmp_path)}
    assert not names & {"昵称", "共1500人", ""}


@pytest.mark.parametrize(
    "word", ["合计", "总计：", "小计", "共 2 人", "Total", "导出时间：2026-11-01", "备注：以上为测试"]
)
def test_a_line_of_totals_is_dropped_and_counted(cli, tmp_path, word):
    rows = [
        ["会员号", "姓名", "城市"],
        ["A1", "王芳", "杭州"],
        ["", "", ""],
        ["A2", "合计先生", "上海"],
        [word, "", ""],
    ]
    done = cli("import", "customer", csv_file(tmp_path / "t.csv", rows), "--json").ok().json
    assert (done["created"], done["blank"], done["summary"]) == (2, 1, 1)


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        (13800138000, "13800138000"), (13800138000.0, "13800138000"), ("1.3800138E+10", "13800138000"),
        ("１３８００１３８０００", "13800138000"), ("+86 138-0013-8000", "13800138000"), ("(010) 8888 8888", "010-88888888"),
        ("400-800-1234", "4008001234"), ("+1 (415) 555-2671", "'+14155552671"), ("0571-88888888转801", "0571-88888888-801"),
        ("-", ""), ("无", ""),
    ],
)  # fmt: skip
def test_phones_come_in_many_spellings(cli, tmp_path, raw, stored):
    file = xlsx_file(tmp_path / "p.xlsx", [["会员号", "手机"], ["A1", raw]])
    assert cli("import", "customer", file, "--json").ok().json["created"] == 1
    assert exported(cli, "customer", tmp_path)[0]["手机"] == stored


@pytest.mark.parametrize("raw", ["123", "138****8000", "王芳"])
def test_what_is_no_phone_fails_its_row_with_a_reason(cli, tmp_path, raw):
    file = csv_file(tmp_path / "p.csv", [["会员号", "手机"], ["A1", raw], ["A2", "13800138000"]])
    done = cli("import", "customer", file, "--json").ok().json
    assert (done["created"], done["failed"]) == (1, 1)
    header, row = Path(done["errors_file"]).read_text("utf-8-sig").splitlines()
    assert header.split(",") == ["会员号", "手机", "失败原因"]
    assert row.startswith(f"A1,{raw},") and "手机" in row


@pytest.mark.parametrize(
    ("raw", "fen"),
    [
        ("199", "199.0"), (39.9, "39.9"), ("1,299.50", "1299.5"), ("１２．５", "12.5"), ("￥52.00", "52.0"), ("¥1,000元", "1000.0"),
        ("1.2万", "12000.0"), ("-5", "-5.0"), ("(12.50)", "-12.5"), ("--", ""),
    ],
)  # fmt: skip
def test_amounts_come_in_many_spellings(cli, tmp_path, raw, fen):
    file = xlsx_file(tmp_path / "o.xlsx", [["number", "amount"], ["N1", raw]])
    assert cli("import", "order", file, "--json").ok().json["created"] == 1
    assert exported(cli, "order", tmp_path)[0]["实付金额"] == fen


@pytest.mark.parametrize(
    "raw",
    [
        "2026-01-02 03:04:00", "2026/1/2 3:04", "2026年1月2日 3时4分", "2026年01月02日 03:04", "2026.01.02 03:04", "20260102030400",
        "2026-01-02T03:04:00+08:00", "2026/1/2 上午3:04", dt.datetime(2026, 1, 2, 3, 4), 46024.12777777778, "46024.12777777778",
    ],
)  # fmt: skip
def test_moments_come_in_many_spellings(cli, tmp_path, raw):
    file = xlsx_file(tmp_path / "o.xlsx", [["number", "paid_at"], ["N1", raw]])
    cli("import", "order", file).ok()
    assert exported(cli, "order", tmp_path)[0]["付款时间"] == "2026-01-02 03:04"


def test_one_clear_date_tells_how_its_column_is_meant(cli, tmp_path):
    rows = [["number", "paid_at"], ["N1", "03/04/2026"], ["N2", "25/04/2026"]]
    cli("import", "order", csv_file(tmp_path / "o.csv", rows)).ok()
    assert [r["付款时间"] for r in exported(cli, "order", tmp_path)] == ["2026-04-03 00:00", "2026-04-25 00:00"]


def test_a_column_that_does_not_decide_is_asked_about(cli, tmp_path):
    file = csv_file(tmp_path / "o.csv", [["number", "paid_at"], ["N1", "03/04/2026"], ["N2", "05/06/2026"]])
    assert cli("import", "order", file, "--json").ok().json["failed"] == 2
    assert cli("import", "order", file, "--date-order", "mdy", "--json").ok().json["created"] == 2
    assert [r["付款时间"][:10] for r in exported(cli, "order", tmp_path)] == ["2026-03-04", "2026-05-06"]


def test_a_day_without_a_year_takes_the_only_year_the_file_speaks_of_or_is_asked_about(cli, tmp_path):
    table = [["number", "paid_at"], ["N1", "1月2日"], ["N2", "12月31日 23:59"]]
    dated = csv_file(tmp_path / "a.csv", [["2025年订单", ""], *table])
    assert cli("import", "order", dated, "--json").ok().json["created"] == 2
    assert [r["付款时间"] for r in exported(cli, "order", tmp_path)] == ["2025-01-02 00:00", "2025-12-31 23:59"]
    bare = csv_file(tmp_path / "b.csv", [table[0], ["N3", "1月2日"]])
    assert cli("import", "order", bare, "--json").ok().json["failed"] == 1
    assert cli("import", "order", bare, "--year", "2024", "--json").ok().json["created"] == 1


def test_the_sheet_can_be_chosen(cli, tmp_path):
    from openpyxl import Workbook

    book = Workbook()
    book.active.title = "说明"
    book.active.append(["请看第二页"])
    book.create_sheet("会员").append(["会员号", "姓名"])
    book["会员"].append(["A1", "王芳"])
    book.create_sheet("旧会员").append(["会员号", "姓名"])
    book["旧会员"].append(["B1", "李伟"])
    book.save(tmp_path / "s.xlsx")
    assert cli("import", "customer", tmp_path / "s.xlsx", "--json").ok().json["created"] == 1
    cli("import", "customer", tmp_path / "s.xlsx", "--sheet", "旧会员").ok()
    assert [r["姓名"] for r in exported(cli, "customer", tmp_path)] == ["王芳", "李伟"]
    missing = cli("import", "customer", tmp_path / "s.xlsx", "--sheet", "没有")
    assert missing.status == 1 and "旧会员" in missing.err


def _cell_at_the_far_corner(path: Path) -> Path:
    """5 KB that make a naive reader ask for a cell for every cell of the sheet."""
    plain = xlsx_file(path.with_name("plain.xlsx"), [["会员号", "姓名"], ["A1", "王芳"]])
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            content = source.read(name)
            if name.startswith("xl/worksheets/"):
                corner = b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
                content = content.replace(b"</sheetData>", corner)
            target.writestr(name, content)
    return path


def test_a_cell_at_the_far_corner_of_the_sheet_kills_nobody(cli, tmp_path):
    done = cli("import", "customer", _cell_at_the_far_corner(tmp_path / "bomb.xlsx"), "--json")
    assert done.status in (0, 1)
    if done.status:
        assert "列" in done.err
    assert cli("import", "customer", csv_file(tmp_path / "ok.csv", PEOPLE), "--json").ok().json["failed"] == 0


def test_a_zip_bomb_is_refused(cli, tmp_path):
    """80 members of 64 MB, all of them the same bytes of the file."""
    path = tmp_path / "bomb.xlsx"
    xlsx_file(path, PEOPLE)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/0", bytes(64 << 20))
        for n in range(1, 80):
            again = copy.copy(archive.getinfo("xl/media/0"))
            again.filename = again.orig_filename = f"xl/media/{n}"
            archive.filelist.append(again)
    done = cli("import", "customer", path)
    assert done.status == 1 and "4 GB" in done.err


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", b""), ("picture.xlsx", b"\x89PNG\r\n\x1a\n0000"), ("broken.xlsx", b"PK\x03\x04broken"), ("paper.xls", b"%PDF-1.7"),
        ("broken.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600), ("noise.csv", bytes(range(256)) * 40),
        ("blank.csv", b"\n\n,,\n"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_in_one_sentence(cli, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    done = cli("import", "customer", tmp_path / name, "--json")
    assert done.status == 1
    assert done.json["error"].endswith("。") and "意外" not in done.json["error"]
