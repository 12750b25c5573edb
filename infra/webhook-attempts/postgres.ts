import type { Database } from '../database/connect.ts';
import { ownTables } from '../database/own-tables.ts';
import type { WebhookAttempt, WebhookAttempts } from './port.ts';

const schema = `
  SELECT pg_advisory_xact_lock(hashtextextended('shiplog.webhook-attempts', 0));
  CREATE SCHEMA IF NOT EXISTS webhook_attempts;
  CREATE TABLE IF NOT EXISTS webhook_attempts.attempts (
    delivery_id bigint NOT NULL,
    attempt integer NOT NULL,
    at timestamptz NOT NULL,
    duration_ms integer NOT NULL,
    request json NOT NULL,
    response json,
    error json,
    timings json NOT NULL,
    person_key text NOT NULL,
    PRIMARY KEY (delivery_id, attempt)
  );
  CREATE INDEX IF NOT EXISTS attempts_by_time ON webhook_attempts.attempts (at);
  CREATE INDEX IF NOT EXISTS attempts_by_person ON webhook_attempts.attempts (person_key)`;

interface Row {
  readonly delivery_id: bigint;
  readonly attempt: number;
  readonly at: Date;
  readonly duration_ms: number;
  readonly request: WebhookAttempt['request'];
  readonly response: WebhookAttempt['response'] | null;
  readonly error: WebhookAttempt['error'] | null;
  readonly timings: WebhookAttempt['timings'];
}

/** In a table beside the views, which is there when it is used first. */
export function postgresWebhookAttempts({ pool }: Pick<Database, 'pool'>): WebhookAttempts {
  const { ask } = ownTables(pool, schema);
  return {
    async write({ deliveryId, attempt, at, durationMs, request, response, error, timings, personKey }) {
      await ask(
        `INSERT INTO webhook_attempts.attempts (
           delivery_id, attempt, at, duration_ms, request, response, error, timings, person_key)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (delivery_id, attempt) DO UPDATE SET at = excluded.at, duration_ms = excluded.duration_ms,
           request = excluded.request, response = excluded.response, error = excluded.error, timings = excluded.timings,
           person_key = excluded.person_key`,
        [
          ...[deliveryId, attempt, at, durationMs, storable(request)],
          ...[response && storable(response), error && storable(error), storable(timings), personKey],
        ],
      );
    },

    async read(deliveryId, limit) {
      const { rows } = await ask<Row>(
        'SELECT * FROM webhook_attempts.attempts WHERE delivery_id = $1 ORDER BY attempt DESC LIMIT $2',
        [deliveryId, limit],
      );
      return rows.map((row) => ({
        deliveryId: Number(row.delivery_id),
        attempt: row.attempt,
        at: row.at,
        durationMs: row.duration_ms,
        request: row.request,
        response: row.response ?? undefined,
        error: row.error ?? undefined,
        timings: row.timings,
      }));
    },

    async sweep(before, limit) {
      const { rowCount } = await ask(
        `DELETE FROM webhook_attempts.attempts WHERE ctid IN (
           SELECT ctid FROM webhook_attempts.attempts WHERE at < $1 ORDER BY at LIMIT $2)`,
        [before, limit],
      );
      return rowCount ?? 0;
    },

    async forgetAbout(personKeys) {
      await ask('DELETE FROM webhook_attempts.attempts WHERE person_key = ANY ($1::text[])', [personKeys]);
      await ask('VACUUM webhook_attempts.attempts', []);
    },
  };
}

/** JSON as it is written, which `json` keeps, NUL characters and halves of surrogate pairs included. */
const storable = (value: object): string => JSON.stringify(value);
