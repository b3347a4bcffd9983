"""Production, read through psycopg2."""

import psycopg2


def connect(host, port, user, password, database, ca_file):
    tls = {"sslmode": "verify-full", "sslrootcert": ca_file} if ca_file else {"sslmode": "disable"}
    connection = psycopg2.connect(host=host, port=port, user=user, password=password, dbname=database, client_encoding="UTF8", **tls)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SET timezone TO 'UTC'")
    return connection


def _quoted(name):
    return '"' + name.replace('"', '""') + '"'


def columns(connection, schema, table):
    """Names as production spells them, by their lower-case form: Redshift folds names."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {_quoted(schema)}.{_quoted(table)} LIMIT 0")
        return {column.name.lower(): column.name for column in cursor.description}


def rows(connection, schema, table, names):
    listed = ", ".join(_quoted(name) for name in names)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {listed} FROM {_quoted(schema)}.{_quoted(table)}")
        while True:
            chunk = cursor.fetchmany(1000)
            if not chunk:
                return
            yield from chunk
