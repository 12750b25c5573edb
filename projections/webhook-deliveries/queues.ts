import { type Expression, type Kysely, type RawBuilder, sql } from 'kysely';
import { everyTarget, rowsIn, type WebhookDeliveriesDatabase } from './tables.ts';

type Db = Kysely<WebhookDeliveriesDatabase>;

/** A target of a policy, to which one delivery is made at a time. */
export interface Endpoint {
  readonly policyId: number;
  readonly target: number;
}

/** The first delivery of an endpoint's queue. */
export interface QueueHead extends Endpoint {
  readonly deliveryId: number;
  /** Not before then; undefined for at once. */
  readonly nextAt: Date | undefined;
  /** When it was last asked for. */
  readonly requestedAt: Date;
  readonly isPaused: boolean;
}

/** What there is to know of a delivery for who makes it. */
export interface DueDelivery extends QueueHead {
  readonly sourceId: string;
  /** How often it was to be delivered, this time included. */
  readonly round: number;
  /** In all rounds, and in this one. */
  readonly attempts: number;
  readonly tried: number;
  readonly told: Readonly<Record<string, unknown>>;
}

const pausedAt = (policy: RawBuilder<unknown>, target: RawBuilder<unknown>, pauses: Expression<unknown>) =>
  sql<boolean>`EXISTS (SELECT FROM ${pauses} p WHERE p.policy_id = ${policy} AND p.target IN (${target}, ${everyTarget}))`;

/**
 * The heads of all queues in which something waits, those of the endpoints behind `after`; at most `limit`. It takes two looks
 * into an index for each endpoint, however long its queue is.
 */
export async function queueHeads(db: Db, after: Endpoint, limit: number): Promise<readonly QueueHead[]> {
  const deliveries = rowsIn(db, 'deliveries');
  const { rows } = await sql<HeadRow>`
    WITH RECURSIVE heads AS (
      (SELECT * FROM ${deliveries} WHERE state = 'pending' AND (policy_id, target) > (${after.policyId}, ${after.target})
        ORDER BY policy_id, target, position, delivery_id LIMIT 1)
      UNION ALL
      SELECT next.* FROM heads CROSS JOIN LATERAL (
        SELECT * FROM ${deliveries} d WHERE d.state = 'pending' AND (d.policy_id, d.target) > (heads.policy_id, heads.target)
        ORDER BY d.policy_id, d.target, d.position, d.delivery_id LIMIT 1) next
    )
    SELECT policy_id, target, delivery_id, next_at, round_at,
      ${pausedAt(sql`heads.policy_id`, sql`heads.target`, rowsIn(db, 'pauses'))} AS paused
    FROM heads LIMIT ${limit}`.execute(db);
  return rows.map(headIn);
}

interface HeadRow {
  readonly policy_id: number;
  readonly target: number;
  readonly delivery_id: bigint;
  readonly next_at: Date | null;
  readonly round_at: Date;
  readonly paused: boolean;
}

const headIn = (row: HeadRow): QueueHead => ({
  policyId: row.policy_id,
  target: row.target,
  deliveryId: Number(row.delivery_id),
  nextAt: row.next_at ?? undefined,
  requestedAt: row.round_at,
  isPaused: row.paused,
});

/** The first delivery that waits for the endpoint; undefined where none does. */
export async function headOf(db: Db, { policyId, target }: Endpoint): Promise<DueDelivery | undefined> {
  const { rows } = await sql<
    HeadRow & {
      readonly source_id: string;
      readonly round: number;
      readonly attempts: number;
      readonly earlier_attempts: number;
      readonly told: Readonly<Record<string, unknown>>;
    }
  >`
    SELECT d.*, n.told,
      ${pausedAt(sql`d.policy_id`, sql`d.target`, rowsIn(db, 'pauses'))} AS paused
    FROM (
      SELECT * FROM ${rowsIn(db, 'deliveries')}
      WHERE state = 'pending' AND policy_id = ${policyId} AND target = ${target}
      ORDER BY position, delivery_id LIMIT 1) d
    JOIN ${rowsIn(db, 'notifications')} n ON n.source_id = d.source_id`.execute(db);
  const [row] = rows;
  return (
    row && {
      ...headIn(row),
      sourceId: row.source_id,
      round: row.round,
      attempts: row.attempts,
      tried: row.attempts - row.earlier_attempts,
      told: row.told,
    }
  );
}

/**
 * The position of the last thing that happened and was told to anybody; undefined where nothing was. What was told to try
 * a policy has happened nowhere, and may have been asked for before what was then behind it.
 */
export async function lastToldPosition(db: Db): Promise<bigint | undefined> {
  const row = await db.selectFrom('last_told').select('position').executeTakeFirst();
  return row && BigInt(row.position);
}

/** From which position on each enabled policy tells what happens. */
export async function tellingSince(db: Db): Promise<ReadonlyMap<number, bigint>> {
  const rows = await db
    .selectFrom('policies')
    .select(['policy_id', 'since'])
    .where('enabled', '=', true)
    .execute();
  return new Map(rows.map(({ policy_id, since }) => [policy_id, BigInt(since)]));
}

/** No more are counted. */
const mostCounted = 100_000;

/** What waits: how much, and since when the oldest of the queues' heads does. */
export async function waiting(
  db: Db,
): Promise<{ readonly pending: number; readonly oldest: Date | undefined; readonly paused: number }> {
  const [counted, heads] = await Promise.all([
    db
      .selectFrom((inner) =>
        inner
          .selectFrom('deliveries')
          .select('policy_id')
          .where('state', '=', 'pending')
          .limit(mostCounted)
          .as('some'),
      )
      .select(({ fn }) => fn.countAll<string>().as('pending'))
      .executeTakeFirstOrThrow(),
    queueHeads(db, { policyId: 0, target: everyTarget }, 10_000),
  ]);
  const times = heads.filter(({ isPaused }) => !isPaused).map(({ requestedAt }) => requestedAt.getTime());
  return {
    pending: Number(counted.pending),
    oldest: times.length === 0 ? undefined : new Date(times.reduce((one, other) => Math.min(one, other))),
    paused: heads.length - times.length,
  };
}
