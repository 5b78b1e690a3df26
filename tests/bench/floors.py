"""The least that this machine needs for the same work with the same libraries and nothing of Guke."""

from __future__ import annotations

import logging
import sqlite3
import statistics
import sys
import threading
import time
from pathlib import Path
from typing import Any


def serve(port: int, file: str) -> None:
    """A bare Flask application behind waitress: one page, and one insert with a commit that survives a power cut."""
    from flask import Flask, request
    from waitress import serve as wait

    logging.getLogger("waitress").setLevel(logging.ERROR)
    app = Flask("floor")
    lock = threading.Lock()
    connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute("PRAGMA synchronous = full")
    connection.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, name TEXT, phone TEXT, city TEXT)")

    @app.get("/healthz")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/create")
    def create() -> tuple[dict[str, Any], int]:
        values = request.get_json()["values"]
        with lock:
            connection.execute("BEGIN IMMEDIATE")
            cursor = connection.execute(
                "INSERT INTO t (name, phone, city) VALUES (?, ?, ?)",
                (values.get("name"), values.get("phone"), values.get("city")),
            )
            connection.execute("COMMIT")
        return {"id": cursor.lastrowid}, 201

    wait(app, host="127.0.0.1", port=port, threads=8, send_bytes=1 << 20)


def read_and_insert(xlsx: Path, work: Path) -> tuple[float, float]:
    """Seconds to read a workbook with calamine, and to insert its rows with executemany and three indexes."""
    from python_calamine import CalamineWorkbook

    started = time.perf_counter()
    rows = CalamineWorkbook.from_path(str(xlsx)).get_sheet_by_index(0).to_python()
    read = time.perf_counter() - started
    width = len(rows[0])
    file = work / "floor-import.db"
    file.unlink(missing_ok=True)
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute("PRAGMA synchronous = full")
    columns = ", ".join(f"c{i} TEXT" for i in range(width))
    connection.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, {columns})")
    for i in range(3):
        connection.execute(f"CREATE INDEX i{i} ON t (c{i})")
    started = time.perf_counter()
    with connection:
        connection.executemany(
            f"INSERT INTO t ({', '.join(f'c{i}' for i in range(width))}) VALUES ({', '.join('?' * width)})",
            ([str(cell) for cell in row] for row in rows[1:]),
        )
    insert = time.perf_counter() - started
    connection.close()
    file.unlink()
    return read, insert


def query(data: Path, sql: str, parameters: tuple[Any, ...] = (), times: int = 1) -> float:
    """Median seconds of one SQL query on the big database, read only, all rows fetched."""
    connection = sqlite3.connect(f"file:{data / 'guke.db'}?mode=ro", uri=True)
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        connection.execute(sql, parameters).fetchall()
        taken.append(time.perf_counter() - started)
    connection.close()
    return statistics.median(taken)


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
