-- The part of Redshift's catalogue and functions that the lab knows, in terms of PostgreSQL.
-- Runs once, in template1, as the superuser. Names that begin with lab_ are the lab's own.
SET allow_system_table_mods = on;
SET search_path = pg_catalog;

---------------------------------------------------------------------------- functions
CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql STABLE AS
$$ SELECT 'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), Redshift 1.0.99999' $$;

-- Start of the statement, without fraction; SYSDATE is the start of the transaction, with it.
CREATE FUNCTION pg_catalog.getdate() RETURNS timestamp LANGUAGE sql STABLE AS
$$ SELECT date_trunc('second', statement_timestamp() AT TIME ZONE 'UTC') $$;
CREATE FUNCTION pg_catalog.lab_sysdate() RETURNS timestamp LANGUAGE sql STABLE AS
$$ SELECT transaction_timestamp() AT TIME ZONE 'UTC' $$;

-- The proxy keeps the two figures of a session and puts them into the call.
CREATE FUNCTION pg_catalog.pg_last_copy_count(figure bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT figure $$;
CREATE FUNCTION pg_catalog.pg_last_copy_id(figure bigint) RETURNS integer LANGUAGE sql IMMUTABLE AS $$ SELECT figure::integer $$;

CREATE FUNCTION pg_catalog.len(value text) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT length(value) $$;
CREATE FUNCTION pg_catalog.charindex(part text, whole text) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT strpos(whole, part) $$;
CREATE FUNCTION pg_catalog.to_varbyte(value text, form text) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT AS
$$ SELECT decode(value, CASE lower(form) WHEN 'utf8' THEN 'utf-8' ELSE lower(form) END) WHERE lower(form) IN ('hex', 'base64')
   UNION ALL SELECT convert_to(value, 'UTF8') WHERE lower(form) IN ('utf8', 'utf-8') $$;
CREATE FUNCTION pg_catalog.from_varbyte(value bytea, form text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS
$$ SELECT encode(value, lower(form)) WHERE lower(form) IN ('hex', 'base64')
   UNION ALL SELECT convert_from(value, 'UTF8') WHERE lower(form) IN ('utf8', 'utf-8') $$;
CREATE FUNCTION pg_catalog.to_hex(value bytea) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT encode(value, 'hex') $$;
CREATE FUNCTION pg_catalog.json_parse(value text) RETURNS jsonb LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT value::jsonb $$;
CREATE FUNCTION pg_catalog.json_serialize(value jsonb) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT value::text $$;

-- Makes the open transaction fail, so that an error of the proxy has an error's effect.
CREATE FUNCTION pg_catalog.lab_fail() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'lab: failed on purpose'; END $$;

---------------------------------------------------------------------------- types
-- What a Redshift column is called, from what PostgreSQL stores.
CREATE FUNCTION pg_catalog.lab_type_name(relation oid, attribute smallint, kind oid, modifier integer) RETURNS text LANGUAGE sql STABLE AS
$$ SELECT CASE kind
     WHEN 'bytea'::regtype THEN 'binary varying' || coalesce(
       (SELECT '(' || split_part(conname, '_', 5) || ')' FROM pg_constraint
         WHERE conrelid = relation AND conkey = ARRAY[attribute] AND conname ~ '^__lab_varbyte_' LIMIT 1), '(64000)')
     WHEN 'jsonb'::regtype THEN 'super'
     ELSE format_type(kind, modifier) END $$;

-- COLLATE CASE_INSENSITIVE of a column. A PostgreSQL without ICU lacks it, and says so when it is named.
DO $$ BEGIN
  CREATE COLLATION pg_catalog.case_insensitive (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
EXCEPTION WHEN feature_not_supported THEN NULL;
END $$;
CREATE TABLE pg_catalog.lab_database (collation_name text NOT NULL);
INSERT INTO pg_catalog.lab_database VALUES ('case_sensitive');
CREATE FUNCTION pg_catalog.db_collation() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER AS
$$ SELECT collation_name FROM pg_catalog.lab_database $$;
CREATE FUNCTION pg_catalog.lab_set_db_collation(wanted text) RETURNS void LANGUAGE sql SECURITY DEFINER AS
$$ UPDATE pg_catalog.lab_database SET collation_name = wanted $$;

-- SHOW TABLE: columns with their collations; of the attributes only DISTSTYLE.
CREATE FUNCTION pg_catalog.lab_show_table(relation text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF to_regclass(relation) IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'undefined_table', MESSAGE = format('Relation "%s" does not exist.', relation);
  END IF;
  RETURN (
    SELECT format(E'CREATE TABLE %I.%I (\n%s\n)\nDISTSTYLE AUTO;', n.nspname, c.relname, string_agg(
             format('    %I %s', a.attname, lab_type_name(c.oid, a.attnum, a.atttypid, a.atttypmod))
             || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
             || CASE WHEN t.typname IN ('varchar', 'bpchar') THEN
                  ' COLLATE ' || CASE l.collname WHEN 'case_insensitive' THEN 'case_insensitive' ELSE 'case_sensitive' END
                ELSE '' END, E',\n' ORDER BY a.attnum))
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_collation l ON l.oid = a.attcollation
     WHERE c.oid = to_regclass(relation) AND a.attnum > 0 AND NOT a.attisdropped
     GROUP BY n.nspname, c.relname);
END $$;

-- Redshift counts the length of strings in bytes, stores DECIMAL up to 19 digits as int64, and
-- knows fewer types. A CHECK per column says so; the proxy turns its violation into Redshift's words.
CREATE FUNCTION pg_catalog.lab_guard_columns() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  col record;
  tab oid;
  parts text[];
  wanted text;
  test text;
BEGIN
  FOR tab IN
    SELECT DISTINCT objid FROM pg_event_trigger_ddl_commands() d JOIN pg_class c ON c.oid = d.objid
    WHERE d.classid = 'pg_class'::regclass AND c.relkind = 'r'
  LOOP
    parts := '{}';
    FOR col IN
      SELECT a.*, t.typname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
      WHERE a.attrelid = tab AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
    LOOP
      IF col.typname NOT IN ('bool', 'int2', 'int4', 'int8', 'float4', 'float8', 'numeric', 'varchar', 'bpchar', 'text', 'date', 'time',
                             'timetz', 'timestamp', 'timestamptz', 'bytea', 'jsonb', 'interval', 'oid', 'name', 'char') THEN
        RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
          MESSAGE = format('Column "%s.%s" has unsupported type "%s".', (SELECT relname FROM pg_class WHERE oid = tab), col.attname, col.typname);
      END IF;
      wanted := NULL;
      IF col.typname IN ('varchar', 'bpchar') AND col.atttypmod > 4 THEN
        wanted := format('__lab_%s_%s_%s', CASE col.typname WHEN 'varchar' THEN 'bytes' ELSE 'char' END, col.atttypmod - 4, left(md5(col.attname), 8));
        test := format('octet_length(%I) <= %s', col.attname, col.atttypmod - 4);
      ELSIF col.typname = 'numeric' AND (((col.atttypmod - 4) >> 16) & 65535) = 19 THEN
        wanted := format('__lab_int64_%s_%s', (col.atttypmod - 4) & 2047, left(md5(col.attname), 8));
        test := format('abs(%I) <= 9223372036854775807 / power(10::numeric, %s)', col.attname, (col.atttypmod - 4) & 2047);
      END IF;
      IF wanted IS NOT NULL AND NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = tab AND conname = wanted) THEN
        SELECT parts || array_agg(format('DROP CONSTRAINT %I', conname)) INTO parts FROM pg_constraint
         WHERE conrelid = tab AND conkey = ARRAY[col.attnum] AND conname ~ '^__lab_(bytes|char|int64)_' HAVING count(*) > 0;
        parts := coalesce(parts, '{}') || format('ADD CONSTRAINT %I CHECK (%s)', wanted, test);
      END IF;
    END LOOP;
    IF cardinality(parts) > 0 THEN
      EXECUTE format('ALTER TABLE %s %s', tab::regclass, array_to_string(parts, ', '));
    END IF;
  END LOOP;
END $$;

---------------------------------------------------------------------------- distribution and sort keys
CREATE TABLE pg_catalog.lab_attributes (relation oid PRIMARY KEY, dist_style text NOT NULL, dist_key text, sort_key text[] NOT NULL, keys text[] NOT NULL);
CREATE FUNCTION pg_catalog.lab_set_attributes(relation text, dist_style text, dist_key text, sort_key text[], keys text[]) RETURNS void
LANGUAGE sql SECURITY DEFINER AS
$$ INSERT INTO pg_catalog.lab_attributes VALUES (to_regclass(relation), dist_style, dist_key, sort_key, keys) ON CONFLICT DO NOTHING $$;

-- Declared encodings: what Redshift would choose by itself is not known here.
CREATE TABLE pg_catalog.lab_encodings (relation oid, column_name text, encoding text NOT NULL, PRIMARY KEY (relation, column_name));
CREATE FUNCTION pg_catalog.lab_set_encoding(relation text, column_name text, encoding text) RETURNS void LANGUAGE sql SECURITY DEFINER AS
$$ INSERT INTO pg_catalog.lab_encodings VALUES (to_regclass(relation), column_name, encoding) ON CONFLICT DO NOTHING $$;

-- Called by the owner, who must be allowed to alter the table.
CREATE FUNCTION pg_catalog.lab_widen(relation text, column_name text, kind text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM pg_attribute WHERE attrelid = relation::regclass AND attname = column_name AND atttypid = 'varchar'::regtype AND NOT atthasdef;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
      MESSAGE = format('cannot alter type of column "%s": it must be a VARCHAR column without a default', column_name);
  END IF;
  PERFORM FROM pg_catalog.lab_attributes a WHERE a.relation = lab_widen.relation::regclass AND column_name = ANY (a.keys);
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
      MESSAGE = format('cannot alter type of column "%s": it belongs to a declared key', column_name);
  END IF;
  PERFORM FROM pg_catalog.lab_encodings e WHERE e.relation = lab_widen.relation::regclass AND e.column_name = lab_widen.column_name
      AND e.encoding IN ('bytedict', 'runlength', 'text255', 'text32k');
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
      MESSAGE = format('cannot alter type of column "%s": its encoding does not allow it', column_name);
  END IF;
  EXECUTE format('ALTER TABLE %s ALTER COLUMN %I TYPE %s', relation::regclass, column_name, kind);
END $$;

---------------------------------------------------------------------------- row-level security
-- A policy filters what is there, and never what comes in. Where it is on, PostgreSQL too shows nothing without a policy.
CREATE TABLE pg_catalog.lab_rls_policy (policy_name text PRIMARY KEY, qualifies text NOT NULL);
CREATE TABLE pg_catalog.lab_ignores_rls (role_name text PRIMARY KEY);
CREATE FUNCTION pg_catalog.lab_create_rls_policy(policy text, expression text) RETURNS void LANGUAGE sql SECURITY DEFINER AS
$$ INSERT INTO pg_catalog.lab_rls_policy VALUES (policy, expression) $$;
CREATE FUNCTION pg_catalog.lab_grant_ignore_rls(grantee text) RETURNS void LANGUAGE sql SECURITY DEFINER AS
$$ INSERT INTO pg_catalog.lab_ignores_rls VALUES (grantee) ON CONFLICT DO NOTHING $$;

CREATE FUNCTION pg_catalog.lab_sees_all() RETURNS boolean LANGUAGE sql STABLE AS
$$ SELECT EXISTS (SELECT FROM pg_catalog.lab_ignores_rls i JOIN pg_catalog.pg_roles r ON r.rolname = i.role_name
                   WHERE pg_has_role(r.oid, 'USAGE')) $$;

-- These two are called by the owner.
CREATE FUNCTION pg_catalog.lab_row_level_security(relation text, wanted boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('DROP POLICY IF EXISTS lab_everybody ON %s', relation);
  IF wanted THEN
    EXECUTE format('CREATE POLICY lab_everybody ON %s USING (pg_catalog.lab_sees_all()) WITH CHECK (true)', relation);
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', relation);
  ELSE
    EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', relation);
  END IF;
END $$;
CREATE FUNCTION pg_catalog.lab_attach_rls_policy(policy text, relation text, grantee text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  expression text;
BEGIN
  SELECT p.qualifies INTO expression FROM pg_catalog.lab_rls_policy p WHERE p.policy_name = policy;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('RLS policy "%s" does not exist', policy);
  END IF;
  EXECUTE format('CREATE POLICY lab_attached ON %s TO %s USING (%s) WITH CHECK (true)', relation, grantee, expression);
END $$;

CREATE FUNCTION pg_catalog.lab_is_guarded(relation oid) RETURNS boolean LANGUAGE sql STABLE AS
$$ SELECT row_security_active(relation) AND NOT pg_catalog.lab_sees_all() AND EXISTS (
     SELECT FROM pg_policy p CROSS JOIN LATERAL unnest(p.polroles) AS g (grantee)
      WHERE p.polrelid = relation AND p.polname = 'lab_attached' AND (g.grantee = 0::oid OR pg_has_role(g.grantee, 'USAGE'))) $$;

-- PostgreSQL's plan, in which a guarded scan has Redshift's name. Filters might tell the policy.
CREATE FUNCTION pg_catalog.lab_explain(query text) RETURNS TABLE ("QUERY PLAN" text) LANGUAGE plpgsql AS $$
DECLARE
  node text;
  scanned text;
  guarded boolean := false;
BEGIN
  FOR node IN EXECUTE 'EXPLAIN (VERBOSE) ' || query LOOP
    scanned := substring(node FROM 'Seq Scan on ((?:"(?:[^"]|"")+"|[^ ".]+)(?:\.(?:"(?:[^"]|"")+"|[^ ".]+))?)');
    IF pg_catalog.lab_is_guarded(to_regclass(scanned)) THEN
      guarded := true;
      node := replace(node, 'Seq Scan on ' || scanned, 'XN RLS SecureScan ' || (SELECT relname FROM pg_class WHERE oid = to_regclass(scanned)));
    END IF;
    IF node !~ '^ *Output:' AND NOT (guarded AND node ~ '^ *(One-Time )?Filter:') THEN
      "QUERY PLAN" := node;
      RETURN NEXT;
    END IF;
  END LOOP;
END $$;

---------------------------------------------------------------------------- load errors and history
CREATE SEQUENCE pg_catalog.lab_query_id START 1001;

CREATE TABLE pg_catalog.lab_load (
  query_id bigint PRIMARY KEY, user_id integer, user_name text, session_id integer, database_name text, table_id integer, table_name text,
  status text, start_time timestamp, end_time timestamp, data_source text, loaded_rows bigint, loaded_bytes bigint, source_file_count bigint,
  error_count bigint);

CREATE TABLE pg_catalog.lab_load_error (
  query_id bigint, user_id integer, session_id integer, database_name text, table_id integer, start_time timestamp, file_name text,
  line_number bigint, column_name text, column_type text, column_length text, position integer, raw_line text, raw_field_value text,
  error_code integer, error_message text);

CREATE VIEW pg_catalog.sys_load_error_detail AS
SELECT user_id, query_id, query_id AS transaction_id, session_id, database_name::char(64), table_id, start_time, file_name::char(256), line_number,
       column_name::char(127), column_type::char(10), column_length::char(10), "position", error_code, error_message::char(512)
  FROM pg_catalog.lab_load_error;

CREATE VIEW pg_catalog.stl_load_errors AS
SELECT user_id AS userid, 0 AS slice, table_id AS tbl, start_time AS starttime, session_id AS session, query_id::integer AS query,
       file_name::char(256) AS filename, line_number, column_name::char(127) AS colname, column_type::char(10) AS type,
       column_length::char(10) AS col_length, "position", raw_line::char(1024), raw_field_value::char(1024), error_code AS err_code,
       error_message::char(100) AS err_reason, 0 AS is_partial, 0::bigint AS start_offset
  FROM pg_catalog.lab_load_error;

CREATE VIEW pg_catalog.sys_load_history AS
SELECT user_id, query_id, query_id AS transaction_id, session_id, database_name, status, table_name, start_time, end_time,
       (extract(epoch FROM end_time - start_time) * 1000000)::bigint AS duration, data_source, 'CSV'::text AS file_format, loaded_rows, loaded_bytes,
       source_file_count, error_count
  FROM pg_catalog.lab_load;

---------------------------------------------------------------------------- tables, columns, locks
CREATE VIEW pg_catalog.pg_table_def AS
SELECT n.nspname AS schemaname, c.relname AS tablename, a.attname AS "column", lab_type_name(c.oid, a.attnum, a.atttypid, a.atttypmod) AS type,
       coalesce(e.encoding, 'none') AS encoding, coalesce(k.dist_key = a.attname, false) AS distkey, coalesce(array_position(k.sort_key, a.attname::text), 0) AS sortkey,
       a.attnotnull AS "notnull"
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
  LEFT JOIN pg_catalog.lab_attributes k ON k.relation = c.oid
  LEFT JOIN pg_catalog.lab_encodings e ON e.relation = c.oid AND e.column_name = a.attname
 WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND n.nspname = ANY (current_schemas(false))
 ORDER BY n.nspname, c.relname, a.attnum;

CREATE VIEW pg_catalog.svv_tables AS
SELECT current_database()::text AS table_catalog, n.nspname::text AS table_schema, c.relname::text AS table_name,
       CASE c.relkind WHEN 'r' THEN 'BASE TABLE' ELSE 'VIEW' END::text AS table_type, NULL::text AS remarks
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'v') AND NOT pg_is_other_temp_schema(n.oid);

CREATE VIEW pg_catalog.svv_columns AS
SELECT current_database()::text AS table_catalog, n.nspname::text AS table_schema, c.relname::text AS table_name, a.attname::text AS column_name,
       a.attnum::integer AS ordinal_position, pg_get_expr(d.adbin, d.adrelid) AS column_default,
       CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END AS is_nullable,
       regexp_replace(lab_type_name(c.oid, a.attnum, a.atttypid, a.atttypmod), '\([0-9,]+\)', '') AS data_type,
       CASE WHEN t.typname IN ('varchar', 'bpchar') THEN a.atttypmod - 4
            WHEN t.typname = 'bytea' THEN substring(lab_type_name(c.oid, a.attnum, a.atttypid, a.atttypmod) FROM '\d+')::integer
       END AS character_maximum_length,
       CASE t.typname WHEN 'int2' THEN 16 WHEN 'int4' THEN 32 WHEN 'int8' THEN 64 WHEN 'numeric' THEN ((a.atttypmod - 4) >> 16) & 65535 END AS numeric_precision,
       CASE t.typname WHEN 'int2' THEN 0 WHEN 'int4' THEN 0 WHEN 'int8' THEN 0 WHEN 'numeric' THEN (a.atttypmod - 4) & 2047 END AS numeric_scale,
       NULL::text AS remarks
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
 WHERE c.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT a.attisdropped AND NOT pg_is_other_temp_schema(n.oid);

-- As in Redshift, deleted rows count until VACUUM, and a table without rows is not listed.
CREATE VIEW pg_catalog.svv_table_info AS
SELECT current_database()::text AS database, n.nspname::text AS schema, c.oid::integer AS table_id, c.relname::text AS "table", 'N'::text AS encoded,
       coalesce(CASE WHEN k.dist_key IS NOT NULL THEN 'KEY(' || k.dist_key || ')' ELSE k.dist_style END, 'AUTO(ALL)') AS diststyle,
       coalesce(k.sort_key[1], 'AUTO(SORTKEY)') AS sortkey1, greatest(c.relpages / 128, 1)::bigint AS size,
       (pg_stat_get_live_tuples(c.oid) + pg_stat_get_dead_tuples(c.oid))::numeric(38, 0) AS tbl_rows,
       pg_stat_get_live_tuples(c.oid)::numeric(38, 0) AS estimated_visible_rows,
       0::numeric(5, 2) AS unsorted, 0::numeric(5, 2) AS stats_off, NULL::numeric(19, 2) AS skew_rows
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_catalog.lab_attributes k ON k.relation = c.oid
 WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
   AND pg_stat_get_live_tuples(c.oid) + pg_stat_get_dead_tuples(c.oid) > 0;

-- Everybody may see whose transactions hold what.
CREATE FUNCTION pg_catalog.lab_transactions() RETURNS TABLE (
  txn_owner text, txn_db text, xid bigint, pid integer, txn_start timestamp, lock_mode text, lockable_object_type text, relation integer, granted boolean)
LANGUAGE sql STABLE SECURITY DEFINER AS
$$ SELECT a.usename, a.datname, coalesce(a.backend_xid, a.backend_xmin)::text::bigint, l.pid, a.xact_start AT TIME ZONE 'UTC', l.mode, l.locktype,
          l.relation::integer, l.granted
     FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE a.usename <> 'rdsdb' AND l.locktype IN ('relation', 'transactionid') $$;
CREATE VIEW pg_catalog.svv_transactions AS SELECT * FROM pg_catalog.lab_transactions();

CREATE VIEW pg_catalog.stv_slices AS SELECT 0 AS node, slice, slice AS localslice, 'D'::char(1) AS type FROM (VALUES (0), (1)) AS s (slice);
CREATE VIEW pg_catalog.stv_db_isolation_level AS
SELECT oid::integer AS db_id, datname::text AS db_name, 'Snapshot Isolation'::text AS isolation_level FROM pg_database WHERE NOT datistemplate;

GRANT SELECT ON pg_catalog.lab_attributes, pg_catalog.lab_encodings, pg_catalog.lab_rls_policy, pg_catalog.lab_ignores_rls, pg_catalog.sys_load_error_detail, pg_catalog.stl_load_errors, pg_catalog.sys_load_history, pg_catalog.pg_table_def,
  pg_catalog.svv_tables, pg_catalog.svv_columns, pg_catalog.svv_table_info, pg_catalog.svv_transactions, pg_catalog.stv_slices,
  pg_catalog.stv_db_isolation_level TO PUBLIC;

-- Last, so that the lab's own tables may hold what Redshift's may not.
CREATE EVENT TRIGGER lab_guard_columns ON ddl_command_end
  WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE') EXECUTE FUNCTION pg_catalog.lab_guard_columns();
