"""Statements are executed on a copy, can only read, and give rows to vote on."""

import asyncio
import sqlite3

import pytest

from composer.methods.code.sql import Rows
from composer.values import Query, Text

TABLE = """
create table item (name text, price real, stock integer, photo blob);
insert into item values ('pen', 1.5, 10, x'00ff'), ('ink', 4, 0, null), ('pad', 3.0, 7, null);
"""


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "shop.sql"
    path.write_text(TABLE)
    return path


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ("select name from item", '[["ink"], ["pad"], ["pen"]]'),
        ("select name from item order by price desc", '[["ink"], ["pad"], ["pen"]]'),
        ("select name from item order by stock desc", '[["pen"], ["pad"], ["ink"]]'),
        ("select name from (select * from item order by name desc) where stock > 0",
         '[["pad"], ["pen"]]'),
        ("select name, 'order by' from item where stock = 0 -- order by", '[["ink", "order by"]]'),
        ("So:\n```sql\nselect price, photo from item where stock = 10\n```", '[[1.5, "00ff"]]'),
        ("```\nshop.sql\n```\n```postgresql\nselect 1\n```", "[[1]]"),
        ("select sum(stock) from item", "[[17]]"),
        ("select 0.1 + 0.2, price from item where price = 3", "[[0.3, 3]]"),
        ("select name from item where stock > 99", "[]"),
        ("with recursive n(i) as (select 1 union select i + 1 from n where i < 3) select * from n",
         "[[1], [2], [3]]"),
    ],
)  # fmt: skip
def test_rows(database, statement, rows):
    assert Rows(database=str(database)).read(statement) == rows


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("delete from item", "it may only read"),
        ("drop table item", "it may only read"),
        ("insert into item (name) values ('x') returning name", "it may only read"),
        ("attach database '/tmp/a' as a", "it may only read"),
        ("pragma writable_schema = 1", "it may only read"),
        ("select load_extension('x')", "not authorized to use function: load_extension"),
        ("vacuum into '/tmp/a'", "it may only read"),
        ("select 1; drop table item", "one statement at a time"),
        ("select age from item", "no such column"),
        ("select zeroblob(20000000)", "too big"),
        ("select instr(hex(zeroblob(4900000)), hex(zeroblob(2000000)) || '1')", "too big"),
        (("with recursive n(i) as (select 1 union all select i + 1 from n) select sum(instr("
         "hex(zeroblob(50000)), hex(zeroblob(25000)) || i)) from n"), "more than 0.2 seconds"),
        ("select 'a' like replace(hex(zeroblob(1000)), '0', '%a')", "too complex"),
        ("selec", "syntax error"),
        ("with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n",
         "more than 0.2 seconds"),
        ("with recursive n(i) as (select 1 union all select i + 1 from n) select i from n",
         "more than 100 rows"),
    ],
)  # fmt: skip
def test_what_is_refused_says_why(database, statement, why, ask):
    reader = Rows(database=str(database), seconds=0.2, limit=100)
    text = Text(Query.of("?"), statement, "A")
    assert asyncio.run(reader.read_all([text], ask)) == [None]
    assert why in ask.notes["errors"]["A"]
    assert reader.read("select count(*) from item") == "[[3]]"


def test_a_file_of_sqlite_is_never_touched(tmp_path, database):
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path)
    connection.executescript(TABLE)
    connection.close()
    before = path.read_bytes()
    reader = Rows(database=str(path))
    assert reader.read("select count(*) from item") == "[[3]]"
    assert reader.read("update item set stock = 0") is None
    assert path.read_bytes() == before
    assert set(reader.digests()) == {"database"}
    database.write_text("this is no SQL")
    with pytest.raises(ValueError, match="is no SQLite database"):
        Rows(database=str(database))
