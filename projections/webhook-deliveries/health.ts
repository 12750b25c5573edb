import { type Kysely, sql } from 'kysely';
import { everyTarget, rowsIn, type WebhookDeliveriesDatabase } from './tables.ts';

type Db = Kysely<WebhookDeliveriesDatabase>;

/** What came of attempts in a time. */
export interface Outcomes {
  readonly delivered: number;
  /** Attempts that failed, and deliveries that were given up. */
  readonly failed: number;
  readonly givenUp: number;
  /** Of those that were delivered, on average; undefined where none was. */
  readonly latencyMs: number | undefined;
}

export interface EndpointHealth {
  readonly target: number;
  /** How many deliveries wait, up to `mostCounted`. */
  readonly queued: number;
  /** Of the first of them: when it was asked for, how often it was tried, and when it is again. */
  readonly head:
    | {
        readonly deliveryId: number;
        readonly requestedAt: Date;
        readonly tried: number;
        readonly nextAt: Date | undefined;
      }
    | undefined;
  readonly pause: { readonly reason: string; readonly pausedAt: Date } | undefined;
  readonly day: Outcomes;
  readonly month: Outcomes;
}

export const mostCounted = 10_000;

/** How each target of a policy does. @param now what the last day, and the last 30, are counted back from; by the hour */
export async function healthOf(
  db: Db,
  policyId: number,
  targets: number,
  now: Date,
): Promise<readonly EndpointHealth[]> {
  const hours = 3_600_000;
  const [counted, queues, pauses] = await Promise.all([
    sql<{
      target: number;
      is_day: boolean;
      delivered: bigint;
      failed: bigint;
      given_up: bigint;
      duration_ms: bigint;
    }>`
      SELECT target, hour > ${new Date(now.getTime() - 24 * hours)} AS is_day, sum(delivered)::bigint AS delivered,
        sum(failed)::bigint AS failed, sum(given_up)::bigint AS given_up, sum(duration_ms)::bigint AS duration_ms
      FROM ${rowsIn(db, 'hours')} h
      WHERE policy_id = ${policyId} AND hour > ${new Date(now.getTime() - 30 * 24 * hours)}
      GROUP BY 1, 2`.execute(db),
    sql<{
      target: number;
      queued: bigint;
      delivery_id: bigint;
      round_at: Date;
      tried: number;
      next_at: Date | null;
    }>`
      SELECT t.target, head.*, q.queued
      FROM generate_series(0, ${targets - 1}::integer) AS t(target)
      CROSS JOIN LATERAL (
        SELECT delivery_id, round_at, attempts - earlier_attempts AS tried, next_at
        FROM ${rowsIn(db, 'deliveries')} d
        WHERE d.state = 'pending' AND d.policy_id = ${policyId} AND d.target = t.target
        ORDER BY d.position, d.delivery_id LIMIT 1) head
      CROSS JOIN LATERAL (
        SELECT count(*) AS queued FROM (
          SELECT FROM ${rowsIn(db, 'deliveries')} d
          WHERE d.state = 'pending' AND d.policy_id = ${policyId} AND d.target = t.target LIMIT ${mostCounted}) AS counted) q`.execute(
      db,
    ),
    pausesOf(db, policyId),
  ]);
  return Array.from({ length: targets }, (_, target): EndpointHealth => {
    const of = counted.rows.filter((row) => row.target === target);
    const queue = queues.rows.find((row) => row.target === target);
    const pause = pauses.get(target) ?? pauses.get(everyTarget);
    return {
      target,
      queued: Number(queue?.queued ?? 0),
      head: queue && {
        deliveryId: Number(queue.delivery_id),
        requestedAt: queue.round_at,
        tried: queue.tried,
        nextAt: queue.next_at ?? undefined,
      },
      pause,
      day: outcomesOf(of.filter(({ is_day }) => is_day)),
      month: outcomesOf(of),
    };
  });
}

/** What is paused of a policy, by target; `everyTarget` for all of them. */
export async function pausesOf(
  db: Db,
  policyId: number,
): Promise<ReadonlyMap<number, { readonly reason: string; readonly pausedAt: Date }>> {
  const rows = await db
    .selectFrom('pauses')
    .select(['target', 'reason', 'paused_at'])
    .where('policy_id', '=', policyId)
    .execute();
  return new Map(rows.map(({ target, reason, paused_at }) => [target, { reason, pausedAt: paused_at }]));
}

interface Sums {
  readonly delivered: bigint;
  readonly failed: bigint;
  readonly given_up: bigint;
  readonly duration_ms: bigint;
}

function outcomesOf(rows: readonly Sums[]): Outcomes {
  const sum = (column: keyof Sums) => rows.reduce((all, row) => all + Number(row[column]), 0);
  const delivered = sum('delivered');
  return {
    delivered,
    failed: sum('failed'),
    givenUp: sum('given_up'),
    latencyMs: delivered === 0 ? undefined : Math.round(sum('duration_ms') / delivered),
  };
}
