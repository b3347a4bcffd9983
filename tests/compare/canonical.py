"""One text per value, the same for equal values of source and production.

The rules are those of the mapping from SQL Server to Redshift: what production is
documented to lose (the seventh digit of a time, the offset of a datetimeoffset, the difference
between an empty binary value and NULL) is taken from the source value too; nothing else is.
"""

import datetime
import decimal
import re
import struct
import uuid

REPLACEMENT = "\ufffd"
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
UTC = datetime.timezone.utc


class NotUnderstood(Exception):
    """A value that does not fit the type of its column."""


def _integer(value, _column):
    if isinstance(value, bool) or not isinstance(value, int):
        raise NotUnderstood(f"{type(value).__name__} for an integer")
    return str(value)


def _bit(value, _column):
    if not isinstance(value, bool):
        raise NotUnderstood(f"{type(value).__name__} for a bit")
    return "1" if value else "0"


def _decimal(value, column):
    # Redshift has no scale 38: production holds the text.
    if column.scale == 38 and isinstance(value, str):
        value = decimal.Decimal(value)
    if not isinstance(value, decimal.Decimal):
        raise NotUnderstood(f"{type(value).__name__} for a decimal")
    with decimal.localcontext() as context:
        context.prec = 80
        # Every digit counts: a value with more digits than the column has is not rounded away.
        unscaled = value.scaleb(column.scale)
        if unscaled != unscaled.to_integral_value():
            raise NotUnderstood(f"more than {column.scale} digits after the point")
        return f"{int(unscaled)}e-{column.scale}"


def _float(layout):
    def text(value, _column):
        if not isinstance(value, float):
            raise NotUnderstood(f"{type(value).__name__} for a float")
        return struct.pack(layout, value).hex()

    return text


def _text(value, column):
    if not isinstance(value, str):
        raise NotUnderstood(f"{type(value).__name__} for a text")
    value = LONE_SURROGATE.sub(REPLACEMENT, value)
    # A key is never altered; elsewhere production holds a replacement for U+0000.
    return value if column.is_key else value.replace("\0", REPLACEMENT)


def _bytes(value, _column):
    # COPY reads an empty field as NULL in every type but text, so empty and NULL are one.
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex() or None
    if isinstance(value, str):
        digits = value[2:] if value.startswith("\\x") else value
        return bytes.fromhex(digits).hex() or None
    raise NotUnderstood(f"{type(value).__name__} for bytes")


def _guid(value, _column):
    return str(value if isinstance(value, uuid.UUID) else uuid.UUID(value.strip()))


def _date(value, _column):
    if isinstance(value, datetime.datetime) or not isinstance(value, datetime.date):
        raise NotUnderstood(f"{type(value).__name__} for a date")
    return value.isoformat()


def _time(value, _column):
    if not isinstance(value, datetime.time):
        raise NotUnderstood(f"{type(value).__name__} for a time")
    return value.isoformat(timespec="microseconds")


def _timestamp(value, _column):
    if not isinstance(value, datetime.datetime) or value.tzinfo is not None:
        raise NotUnderstood("not a timestamp without zone")
    return value.isoformat(timespec="microseconds")


def _instant(value, _column):
    """The source reader hands out UTC without a zone, the target one with it."""
    if not isinstance(value, datetime.datetime):
        raise NotUnderstood(f"{type(value).__name__} for an instant")
    if value.tzinfo is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    return value.isoformat(timespec="microseconds")


# By the name in sys.types.
RULES = {
    "bit": _bit,
    "tinyint": _integer,
    "smallint": _integer,
    "int": _integer,
    "bigint": _integer,
    "decimal": _decimal,
    "numeric": _decimal,
    "money": _decimal,
    "smallmoney": _decimal,
    "real": _float("<f"),
    "float": _float("<d"),
    "char": _text,
    "varchar": _text,
    "nchar": _text,
    "nvarchar": _text,
    "binary": _bytes,
    "varbinary": _bytes,
    "timestamp": _bytes,
    "date": _date,
    "time": _time,
    "datetime": _timestamp,
    "smalldatetime": _timestamp,
    "datetime2": _timestamp,
    "datetimeoffset": _instant,
    "uniqueidentifier": _guid,
    "xml": _text,
    "sql_variant": _text,
    "hierarchyid": _text,
    "geography": _text,
    "geometry": _text,
    "text": _text,
    "ntext": _text,
    "image": _bytes,
}


def text(value, column):
    """The canonical text of a value; None stays None."""
    if value is None:
        return None
    try:
        return RULES[column.type](value, column)
    except NotUnderstood as error:
        raise NotUnderstood(f"column {column.name} ({column.type}): {error}") from None
    except ValueError:
        raise NotUnderstood(f"column {column.name} ({column.type}): not understood") from None
