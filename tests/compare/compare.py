#!/usr/bin/env python3
"""Compares tables of SQL Server with production in Redshift, row by row.

It shares nothing with the program: other drivers, another language, a type table of its own.

    compare.py --source-host … --target-host … --mapping '[{"schema": "dbo", "table": "orders",
        "production": "public.orders", "skip": ["notes"]}]'

`production` defaults to `<--target-schema>.<table>`; columns in `skip` are left out on both
sides. Passwords come from D2R_COMPARE_SOURCE_PASSWORD and D2R_COMPARE_TARGET_PASSWORD. Prints
one line a table. Exit codes: 0 all equal, 1 a difference, 2 wrong usage or no connection.
"""

import argparse
import hashlib
import json
import os
import sys
from collections import Counter

import canonical
import source
import target

EXIT_EQUAL, EXIT_DIFFERENT, EXIT_USAGE = 0, 1, 2


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for side, port in (("source", 1433), ("target", 5439)):
        parser.add_argument(f"--{side}-host", default="127.0.0.1")
        parser.add_argument(f"--{side}-port", type=int, default=port)
        parser.add_argument(f"--{side}-user", required=True)
        parser.add_argument(f"--{side}-database", required=True)
        parser.add_argument(f"--{side}-ca", help="PEM file; without it the connection is not encrypted")
    parser.add_argument("--target-schema", default="public")
    parser.add_argument("--mapping", required=True, help="JSON, or a file that holds it")
    parser.add_argument("--values", action="store_true", help="show the values of the keys that differ")
    parser.add_argument("--most", type=int, default=5, help="differing rows to show for a table")
    return parser.parse_args()


def mapping(text, target_schema):
    if not text.lstrip().startswith("["):
        with open(text, encoding="utf-8") as file:
            text = file.read()
    for entry in json.loads(text):
        schema, table = entry["schema"], entry["table"]
        production = entry.get("production", f"{target_schema}.{table}")
        place = tuple(production.split(".", 1)) if isinstance(production, str) else tuple(production)
        yield schema, table, place, {name.lower() for name in entry.get("skip", [])}


def folded(name):
    """As Redshift has it: lower case; over 127 bytes a beginning and twelve digits of a hash of it all."""
    name = name.lower()
    data = name.encode()
    if len(data) <= 127:
        return name
    return data[:113].decode(errors="ignore") + "__" + hashlib.sha256(data).hexdigest()[:12]


def fingerprint(texts):
    """Of a whole row; NULL differs from every text, and no two rows run into one another."""
    digest = hashlib.blake2b(digest_size=16)
    for text in texts:
        if text is None:
            digest.update(b"\0")
        else:
            data = text.encode("utf-8", "surrogatepass")
            digest.update(b"\1" + len(data).to_bytes(8, "big") + data)
    return digest.digest()


class Side:
    """One side of one table: a way to read all its rows anew, in canonical text."""

    def __init__(self, columns, read):
        self.columns = columns
        self.read = read

    def rows(self):
        for row in self.read():
            yield [canonical.text(value, column) for value, column in zip(row, self.columns)]

    def count(self):
        counted = Counter()
        for texts in self.rows():
            counted[fingerprint(texts)] += 1
        return counted

    def keys_of(self, fingerprints):
        """Keys (whole rows of a table without one) of the rows with these fingerprints."""
        at = [n for n, column in enumerate(self.columns) if column.is_key] or range(len(self.columns))
        for texts in self.rows():
            if fingerprint(texts) in fingerprints:
                yield tuple(texts[n] for n in at)


def shown(key, values):
    if values:
        return "(" + ", ".join("NULL" if text is None else repr(text) for text in key) + ")"
    return "key#" + fingerprint(key).hex()[:12]


def differences(here, there, ours, theirs, args):
    """What is wrong with the first few keys."""
    missing = ours - theirs
    extra = theirs - ours
    only_source, only_target = Counter(here.keys_of(missing)), Counter(there.keys_of(extra))
    for what, keys in (
        ("differs", only_source & only_target),
        ("only in the source", only_source - only_target),
        ("only in production", only_target - only_source),
    ):
        if keys:
            some = sorted(keys, key=repr)[: args.most]
            more = "" if len(some) == len(keys) else f" and {len(keys) - len(some)} more"
            yield f"  {what}: " + ", ".join(shown(key, args.values) for key in some) + more


def compare(connections, schema, table, place, skipped, args):
    """True when equal; prints the line of this table."""
    name = f"{schema}.{table} -> {'.'.join(place)}"
    from_source, from_target = connections
    wanted = [column for column in source.columns(from_source, schema, table) if folded(column.name) not in skipped]
    held = target.columns(from_target, *place)
    wrong = [f"column {column.name} has the type {column.type}, which is not carried" for column in wanted if column.type not in canonical.RULES]
    wrong += [f"production lacks column {column.name}" for column in wanted if folded(column.name) not in held]
    known = {folded(column.name) for column in wanted} | skipped
    wrong += [f"production has column {held[name]} that the source lacks" for name in held if name not in known]
    if wrong:
        print(f"{name}: different columns")
        print("\n".join(f"  {line}" for line in wrong))
        return False
    here = Side(wanted, lambda: source.rows(from_source, schema, table, wanted))
    there = Side(wanted, lambda: target.rows(from_target, *place, [held[folded(column.name)] for column in wanted]))
    ours, theirs = here.count(), there.count()
    equal = ours == theirs
    print(f"{name}: {ours.total()} rows in the source, {theirs.total()} in production, {'equal' if equal else 'DIFFERENT'}")
    if not equal:
        print("\n".join(differences(here, there, ours, theirs, args)))
    return equal


def main():
    args = arguments()
    try:
        tables = list(mapping(args.mapping, args.target_schema))
        connections = [
            module.connect(
                getattr(args, f"{side}_host"),
                getattr(args, f"{side}_port"),
                getattr(args, f"{side}_user"),
                os.environ[f"D2R_COMPARE_{side.upper()}_PASSWORD"],
                getattr(args, f"{side}_database"),
                getattr(args, f"{side}_ca"),
            )
            for side, module in (("source", source), ("target", target))
        ]
    except Exception as error:  # whatever a driver throws: it is no difference, but no proof either
        print(f"compare: {type(error).__name__}: {error}", file=sys.stderr)
        return EXIT_USAGE
    if not tables:
        print("compare: the mapping names no table", file=sys.stderr)
        return EXIT_USAGE
    equal = True
    for schema, table, place, skipped in tables:
        try:
            equal &= compare(connections, schema, table, place, skipped, args)
        except Exception as error:  # a table that cannot be read is not equal
            print(f"{schema}.{table} -> {'.'.join(place)}: could not be compared: {type(error).__name__}: {error}")
            equal = False
    return EXIT_EQUAL if equal else EXIT_DIFFERENT


if __name__ == "__main__":
    sys.exit(main())
