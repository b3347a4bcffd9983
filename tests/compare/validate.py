#!/usr/bin/env python3
"""Validates JSON documents against the schemas that they name, by an independent validator.

    validate.py < '{"schemas": {"status/1": {…}}, "documents": [{"schema": "status/1", …}]}'

Stricter than a reader of the documents has to be: a field that its schema does not tell of is an
error, too, and times must be times. Prints one line an error. Exit codes: 0 all valid, 1 an
error, 2 wrong usage.
"""

import copy
import datetime
import json
import re
import sys

from jsonschema import Draft202012Validator, FormatChecker

EXIT_VALID, EXIT_ERROR, EXIT_USAGE = 0, 1, 2

formats = FormatChecker(["uuid"])


@formats.checks("date-time", raises=ValueError)
def is_time_with_zone(text):
    return not isinstance(text, str) or datetime.datetime.fromisoformat(cut(text)).tzinfo is not None


@formats.checks("partial-date-time", raises=ValueError)
def is_time_without_zone(text):
    return not isinstance(text, str) or datetime.datetime.fromisoformat(cut(text)).tzinfo is None


def cut(text):
    """datetime knows microseconds only."""
    return re.sub(r"(\.\d{6})\d+", r"\1", text)


# Their subschemas look at the same object as the schema around them, not at a part of it.
IN_PLACE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else")


def close(schema, nested=True):
    """Lets no object hold what its schema does not tell of."""
    if isinstance(schema, list):
        for entry in schema:
            close(entry, nested)
    if not isinstance(schema, dict):
        return
    is_object = "properties" in schema or schema.get("type") == "object"
    if nested and is_object and "additionalProperties" not in schema:
        schema["unevaluatedProperties"] = False
    for keyword, part in schema.items():
        if keyword in ("properties", "$defs"):
            for inner in part.values():
                close(inner)
        elif keyword in IN_PLACE:
            # Where the schema around them is no object of its own, they are.
            close(part, nested and not is_object)
        elif isinstance(part, (dict, list)) and keyword not in ("enum", "const", "required", "examples"):
            close(part)


def validators(schemas):
    for name, schema in schemas.items():
        Draft202012Validator.check_schema(schema)
        closed = copy.deepcopy(schema)
        close(closed)
        yield name, Draft202012Validator(closed, format_checker=formats)


def errors(given):
    known = dict(validators(given["schemas"]))
    for at, document in enumerate(given["documents"]):
        name = document.get("schema")
        if name not in known:
            yield f"document {at}: no schema {name!r}"
            continue
        for error in known[name].iter_errors(document):
            yield f"document {at} ({name}) {error.json_path}: {error.validator}: {error.message[:300]}"


def main():
    try:
        given = json.load(sys.stdin)
    except ValueError as error:
        print(f"no JSON on standard input: {error}", file=sys.stderr)
        return EXIT_USAGE
    found = list(errors(given))
    print("\n".join(found))
    return EXIT_ERROR if found else EXIT_VALID


if __name__ == "__main__":
    sys.exit(main())
