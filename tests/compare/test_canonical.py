"""The type table of the comparison. Needs no driver: python3 -m unittest, in this folder."""

import datetime
import unittest
import uuid
from decimal import Decimal
from types import SimpleNamespace

import canonical


def column(type_name, scale=0, is_key=False):
    return SimpleNamespace(name="c", type=type_name, scale=scale, is_key=is_key)


def text(value, type_name, **facts):
    return canonical.text(value, column(type_name, **facts))


class Canonical(unittest.TestCase):
    def equal(self, type_name, source, target, **facts):
        self.assertEqual(text(source, type_name, **facts), text(target, type_name, **facts))

    def different(self, type_name, source, target, **facts):
        self.assertNotEqual(text(source, type_name, **facts), text(target, type_name, **facts))

    def test_null_is_not_an_empty_text(self):
        self.different("nvarchar", None, "")

    def test_decimals_are_exact_at_the_scale_of_the_column(self):
        self.equal("decimal", Decimal("1.50"), Decimal("1.5"), scale=2)
        self.equal("money", Decimal("-922337203685477.5808"), Decimal("-922337203685477.5808"), scale=4)
        self.equal("decimal", Decimal("-1E-38"), "-0.00000000000000000000000000000000000001", scale=38)
        self.different("decimal", Decimal("99999999999999999999999999999999999.998"), Decimal("99999999999999999999999999999999999.999"), scale=3)
        with self.assertRaises(canonical.NotUnderstood):
            text(Decimal("0.005"), "decimal", scale=2)

    def test_floats_are_compared_by_their_bits(self):
        self.equal("real", 0.10000000149011612, 0.1)
        self.different("float", 0.10000000149011612, 0.1)
        self.different("float", 0.0, -0.0)

    def test_text_keeps_blanks_and_case_and_only_loses_what_production_cannot_hold(self):
        self.different("nchar", "a ", "a")
        self.different("varchar", "A", "a")
        self.equal("nvarchar", "a\0b", "a\ufffdb")
        self.equal("nvarchar", "a\ud83d", "a\ufffd")
        self.different("nvarchar", "a\0b", "a\ufffdb", is_key=True)

    def test_bytes_are_compared_in_hex_of_either_form(self):
        self.equal("varbinary", b"\x00\xff", "00FF")
        self.equal("timestamp", bytes(8), "\\x0000000000000000")
        self.different("varbinary", b"", b"\0")

    def test_times(self):
        self.equal("datetimeoffset", datetime.datetime(2024, 1, 1, 22, 30), datetime.datetime(2024, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(minutes=90))))
        self.different("datetime", datetime.datetime(2024, 1, 1, 0, 0, 0, 3000), datetime.datetime(2024, 1, 1, 0, 0, 0, 3333))
        self.equal("time", datetime.time(23, 59, 59, 999999), datetime.time(23, 59, 59, 999999))
        self.assertEqual(text(datetime.date(1, 1, 1), "date"), "0001-01-01")

    def test_types_that_are_carried_as_text(self):
        for type_name in ("xml", "sql_variant", "hierarchyid", "geography", "geometry", "text", "ntext"):
            self.equal(type_name, "<a/>", "<a/>")
            self.different(type_name, "<a/>", "<a />")
        self.equal("image", b"\x01", "01")

    def test_guids_in_any_case(self):
        self.equal("uniqueidentifier", uuid.UUID("6F9619FF-8B86-D011-B42D-00C04FC964FF"), "6f9619ff-8b86-d011-b42d-00c04fc964ff")

    def test_a_value_of_another_type_is_refused_without_showing_it(self):
        with self.assertRaises(canonical.NotUnderstood) as refused:
            text("secret", "int")
        self.assertNotIn("secret", str(refused.exception))
        with self.assertRaises(canonical.NotUnderstood):
            text(1, "bit")


if __name__ == "__main__":
    unittest.main()
