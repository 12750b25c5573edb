/**
 * The log's tables and the one function that writes them.
 *
 * A transaction-level advisory lock serialises the commits of all writers: a position is taken, written and
 * committed before the next writer takes one, so that no reader can see a later position before an earlier one.
 * The lock is released after the commit has become visible, and each statement of a plpgsql function sees what was
 * committed before that statement began; therefore the head that is read under the lock is the true head.
 */
export const postgresSchema = `
SELECT pg_advisory_xact_lock(hashtextextended('shiplog.event_log.schema', 0));

CREATE SCHEMA IF NOT EXISTS event_log;

CREATE TABLE IF NOT EXISTS event_log.events (
  position bigint PRIMARY KEY,
  stream text COLLATE "C" NOT NULL,
  revision bigint NOT NULL,
  id uuid NOT NULL UNIQUE,
  type text NOT NULL,
  version smallint NOT NULL,
  -- json and not jsonb: jsonb refuses \\u0000, drops duplicate keys and reorders, and the log keeps what it was given.
  data json NOT NULL,
  metadata json NOT NULL,
  recorded_at timestamptz NOT NULL,
  size integer NOT NULL,
  UNIQUE (stream, revision)
);

-- batch: an array of events in order, each with
--   g group (all or nothing), s stream, x expected revision (null any, -1 none),
--   i id, t type, v version, d data as text, m metadata as text.
-- The texts are strings inside the batch because the parser of the batch would refuse \\u0000 in nested JSON.
CREATE OR REPLACE FUNCTION event_log.append_batch(batch json)
RETURNS TABLE (group_number int, outcome text, last_position bigint, conflicting text)
LANGUAGE plpgsql AS $function$
#variable_conflict use_column
DECLARE
  head bigint;
  head_recorded_at timestamptz;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('shiplog.event_log.append', 0));
  IF current_setting('synchronous_commit') IN ('off', 'local') THEN
    PERFORM set_config('synchronous_commit', 'on', true);
  END IF;
  SELECT e.position, e.recorded_at INTO head, head_recorded_at
    FROM event_log.events e ORDER BY e.position DESC LIMIT 1;
  head := coalesce(head, 0);

  RETURN QUERY
  WITH entry AS MATERIALIZED (
    SELECT r.*,
      coalesce((SELECT max(e.revision) FROM event_log.events e WHERE e.stream = r.s), -1) AS stream_head,
      (SELECT e.position FROM event_log.events e WHERE e.id = r.i AND e.stream = r.s) AS known_position
    FROM ROWS FROM (
      json_to_recordset(batch) AS (g int, s text, x bigint, i uuid, t text, v smallint, d text, m text)
    ) WITH ORDINALITY AS r (g, s, x, i, t, v, d, m, n)
  ), verdict AS MATERIALIZED (
    SELECT g,
      CASE
        WHEN count(known_position) = count(*) THEN 'repeated'
        WHEN bool_or(x <> stream_head) THEN 'conflict'
        ELSE 'appended'
      END AS outcome,
      max(known_position) AS position,
      min(s) FILTER (WHERE x <> stream_head) AS conflicting
    FROM entry GROUP BY g
  ), fresh AS MATERIALIZED (
    SELECT entry.*,
      head + row_number() OVER (ORDER BY n) AS position,
      stream_head + row_number() OVER (PARTITION BY s ORDER BY n) AS revision
    FROM entry JOIN verdict USING (g) WHERE verdict.outcome = 'appended'
  ), written AS (
    INSERT INTO event_log.events (position, stream, revision, id, type, version, data, metadata, recorded_at, size)
    SELECT position, s, revision, i, t, v, d::json, m::json,
      -- The clock may go backwards; the log's time does not.
      greatest(clock_timestamp(), head_recorded_at), octet_length(d) + octet_length(m)
    FROM fresh ORDER BY position
  ), reached AS MATERIALIZED (
    SELECT g, max(position) AS position FROM fresh GROUP BY g
  )
  SELECT verdict.g, verdict.outcome, coalesce(reached.position, verdict.position), verdict.conflicting
    FROM verdict LEFT JOIN reached USING (g);

  PERFORM pg_notify('shiplog_event_log', '');
END;
$function$;
`;
