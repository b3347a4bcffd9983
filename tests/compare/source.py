"""The source, read through python-tds: its catalogue and all rows of a table."""

import datetime
import types
from dataclasses import dataclass

import pytds
import pytds.tds_types

COLUMNS = """
SELECT c.name, c.column_id, COALESCE(ty.name, own.name), c.scale, c.collation_name, c.is_computed
  FROM sys.columns AS c
  JOIN sys.tables AS t ON t.object_id = c.object_id
  JOIN sys.schemas AS s ON s.schema_id = t.schema_id
  LEFT JOIN sys.types AS ty ON ty.user_type_id = c.system_type_id
  LEFT JOIN sys.types AS own ON own.user_type_id = c.user_type_id
 WHERE s.name = %s AND t.name = %s
 ORDER BY c.column_id
"""

KEYS = """
SELECT i.index_id, i.is_primary_key, ic.key_ordinal, ic.column_id
  FROM sys.indexes AS i
  JOIN sys.index_columns AS ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id
  JOIN sys.tables AS t ON t.object_id = i.object_id
  JOIN sys.schemas AS s ON s.schema_id = t.schema_id
 WHERE s.name = %s AND t.name = %s AND i.is_unique = 1 AND ic.key_ordinal > 0
 ORDER BY i.is_primary_key DESC, i.index_id, ic.key_ordinal
"""


@dataclass
class Column:
    name: str
    type: str
    scale: int
    is_key: bool
    utf8: bool


def _keep_what_was_sent():
    """Two things python-tds would lose or refuse on the way."""
    plain = pytds.tds_types.ucs2_codec

    def decode(data, _errors="strict"):
        return plain.decode(data, "surrogatepass")

    def pieces(_errors="strict"):
        return plain.incrementaldecoder("surrogatepass")

    # Lone surrogates are legal in SQL Server.
    pytds.tds_types.ucs2_codec = types.SimpleNamespace(encode=plain.encode, decode=decode, incrementaldecoder=pieces)

    def utc(self):
        return datetime.datetime.combine(self._date.to_pydate(), self._time.to_pytime())

    # The wire carries UTC; turning it into local time can leave the years 1 to 9999.
    pytds.tds_types.DateTimeOffset.to_pydatetime = utc


def connect(host, port, user, password, database, ca_file):
    _keep_what_was_sent()
    return pytds.connect(
        dsn=host, port=port, user=user, password=password, database=database, cafile=ca_file, autocommit=True, login_timeout=30
    )


def columns(connection, schema, table):
    """The columns that production can hold: computed ones are not in change tables."""
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS, (schema, table))
        found = cursor.fetchall()
        cursor.execute(KEYS, (schema, table))
        indexes = cursor.fetchall()
    if not found:
        raise LookupError(f"the source has no table {schema}.{table}")
    # The primary key, else the first unique index: ordered so.
    key = [column_id for index, _, _, column_id in indexes if index == indexes[0][0]]
    scales = {"money": 4, "smallmoney": 4}
    return [
        Column(
            name=name,
            type=type_name or "a user-defined type",
            scale=scales.get(type_name, scale),
            is_key=column_id in key,
            utf8=bool(collation) and collation.upper().endswith("_UTF8"),
        )
        for name, column_id, type_name, scale, collation, computed in found
        if not computed
    ]


def _bracketed(name):
    return "[" + name.replace("]", "]]") + "]"


def rows(connection, schema, table, wanted):
    """All rows, streamed. Text in UTF-8 is asked for as UTF-16: the driver knows code pages only.

    xml, text, ntext and image come as they are; what has no type in Python comes as text.
    """

    def expression(column):
        name = _bracketed(column.name)
        if column.utf8 or column.type == "sql_variant":
            return f"CAST({name} AS nvarchar(max))"
        if column.type == "hierarchyid":
            return f"CAST({name} AS nvarchar(4000))"
        return f"{name}.STAsText()" if column.type in ("geography", "geometry") else name

    listed = ", ".join(expression(column) for column in wanted)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {listed} FROM {_bracketed(schema)}.{_bracketed(table)}")
        while True:
            chunk = cursor.fetchmany(1000)
            if not chunk:
                return
            yield from chunk
