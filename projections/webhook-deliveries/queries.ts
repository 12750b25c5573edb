import { type Kysely, type SqlBool, sql } from 'kysely';
import type { AttemptError, ToldType } from '../../domain/webhook-delivery/events.ts';
import type { RedeliveryParameters } from '../../domain/webhook-delivery/redelivery-parameters.ts';
import { bounded } from '../bounded.ts';
import { countOf, filtered, pageOf } from '../list-page.ts';
import { type Columns, type Listing, maxRows, orderOf, type Page } from '../listing.ts';
import { type DeliveryState, rowsIn, type SkipReason, type WebhookDeliveriesDatabase } from './tables.ts';

type Db = Kysely<WebhookDeliveriesDatabase>;

export interface Delivery {
  readonly deliveryId: number;
  /** The id of the event that is told, and its position. */
  readonly sourceId: string;
  readonly position: bigint;
  readonly policyId: number;
  readonly target: number;
  /** That of the policy; undefined where it is of none, or was gone. */
  readonly projectId: number | undefined;
  readonly eventType: ToldType;
  readonly project: string;
  readonly repository: string | undefined;
  readonly occurredAt: Date;
  readonly told: Readonly<Record<string, unknown>>;
  readonly state: DeliveryState;
  readonly skipReason: SkipReason | undefined;
  readonly requestedAt: Date;
  readonly updatedAt: Date;
  /** How often it was to be delivered. */
  readonly round: number;
  /** In all rounds, and in the last one. */
  readonly attempts: number;
  readonly tried: number;
  /** Of the last attempt. */
  readonly status: number | undefined;
  readonly error: AttemptError | undefined;
  readonly attemptedAt: Date | undefined;
  readonly durationMs: number | undefined;
  /** When it is tried again, at the earliest. */
  readonly nextAt: Date | undefined;
}

/** Which deliveries are meant: those that meet all of it. */
export interface DeliveryFilter {
  readonly policyId?: number | undefined;
  /** Those of the policies of a project. */
  readonly projectId?: number | undefined;
  readonly states?: readonly DeliveryState[] | undefined;
  readonly eventType?: ToldType | undefined;
  /** When they were asked for: from the one time on, and before the other. */
  readonly from?: Date | undefined;
  readonly to?: Date | undefined;
  /** What happened from the one position on, and before the other. */
  readonly fromPosition?: bigint | undefined;
  readonly toPosition?: bigint | undefined;
  /** Of those whose last attempt failed, when that was, at the earliest. */
  readonly deadSince?: Date | undefined;
}

/** Those that a redelivery asks for, now or in its job. */
export const filterOf = (asked: Omit<RedeliveryParameters, 'last_id' | 'count'>): DeliveryFilter => ({
  policyId: asked.policy_id,
  projectId: asked.project_id,
  states: asked.states,
  eventType: asked.event_type,
  from: timeOf(asked.from),
  to: timeOf(asked.to),
  fromPosition: positionOf(asked.from_position),
  toPosition: positionOf(asked.to_position),
  deadSince: timeOf(asked.dead_since),
});

const timeOf = (text: string | undefined) => (text === undefined ? undefined : new Date(text));
const positionOf = (text: string | undefined) => (text === undefined ? undefined : BigInt(text));

const conditionOf = (filter: DeliveryFilter) => {
  const { policyId, projectId, states, eventType, from, to, fromPosition, toPosition, deadSince } = filter;
  const conditions = [
    policyId !== undefined && sql<SqlBool>`d.policy_id = ${policyId}`,
    projectId !== undefined && sql<SqlBool>`d.project_id = ${projectId}`,
    states !== undefined && sql<SqlBool>`d.state = ANY (${[...states]}::text[])`,
    eventType !== undefined && sql<SqlBool>`d.event_type = ${eventType}`,
    from !== undefined && sql<SqlBool>`d.requested_at >= ${from}`,
    to !== undefined && sql<SqlBool>`d.requested_at < ${to}`,
    fromPosition !== undefined && sql<SqlBool>`d.position >= ${fromPosition}`,
    toPosition !== undefined && sql<SqlBool>`d.position < ${toPosition}`,
    deadSince !== undefined && sql<SqlBool>`d.updated_at >= ${deadSince}`,
  ].filter((condition) => condition !== false);
  return sql.join([sql<SqlBool>`true`, ...conditions], sql` AND `);
};

/** Each delivery with what it tells. */
const deliveriesIn = (db: Db) => sql`
  SELECT d.*, n.project, n.repository, n.occurred_at, n.told
  FROM ${rowsIn(db, 'deliveries')} d JOIN ${rowsIn(db, 'notifications')} n ON n.source_id = d.source_id`;

/** Those before `before`, the latest first. @throws QuestionTooLong */
export async function listDeliveries(
  db: Db,
  filter: DeliveryFilter,
  before: number | undefined,
  limit: number,
): Promise<readonly Delivery[]> {
  const place = before === undefined ? sql`true` : sql`d.delivery_id < ${before}`;
  return bounded(db, async (inTime) => {
    const { rows } = await sql<DeliveryRow>`
      ${deliveriesIn(db)}
      WHERE ${conditionOf(filter)} AND ${place}
      ORDER BY d.delivery_id DESC LIMIT ${limit}`.execute(inTime);
    return rows.map(deliveryIn);
  });
}

export async function findDelivery(db: Db, deliveryId: number): Promise<Delivery | undefined> {
  const [found] = await listDeliveriesById(db, [deliveryId]);
  return found;
}

/** Those of them that there are. */
export async function listDeliveriesById(db: Db, ids: readonly number[]): Promise<readonly Delivery[]> {
  const { rows } = await sql<DeliveryRow>`
    ${deliveriesIn(db)}
    WHERE d.delivery_id = ANY (${[...ids]}::bigint[]) ORDER BY d.delivery_id`.execute(db);
  return rows.map(deliveryIn);
}

/** How many there are, up to `limit`. @throws QuestionTooLong */
export const countDeliveries = (db: Db, filter: DeliveryFilter, limit: number): Promise<number> =>
  bounded(db, async (inTime) => {
    const { rows } = await sql<{ total: bigint }>`
      SELECT count(*) AS total FROM (
        SELECT FROM ${rowsIn(db, 'deliveries')} d WHERE ${conditionOf(filter)} LIMIT ${limit}) AS counted`.execute(
      inTime,
    );
    return Number(rows[0]?.total ?? 0);
  });

/** The numbers of those behind `after` and up to `last`, at most `limit`. */
export async function deliveryIdsAfter(
  db: Db,
  filter: DeliveryFilter,
  { after, last, limit }: { readonly after: number; readonly last: number; readonly limit: number },
): Promise<readonly number[]> {
  const { rows } = await sql<{ delivery_id: bigint }>`
    SELECT d.delivery_id FROM ${rowsIn(db, 'deliveries')} d
    WHERE ${conditionOf(filter)} AND d.delivery_id > ${after} AND d.delivery_id <= ${last}
    ORDER BY d.delivery_id LIMIT ${limit}`.execute(db);
  return rows.map(({ delivery_id }) => Number(delivery_id));
}

/** The number of the latest; 0 before the first. */
export async function lastDeliveryId(db: Db): Promise<number> {
  const row = await db
    .selectFrom('deliveries')
    .select('delivery_id')
    .orderBy('delivery_id', 'desc')
    .limit(1)
    .executeTakeFirst();
  return Number(row?.delivery_id ?? 0);
}

/** In Harbor's words. */
const harborStatus = sql<string>`CASE state WHEN 'delivered' THEN 'Success' WHEN 'dead' THEN 'Error'
  WHEN 'skipped' THEN 'Stopped' ELSE CASE WHEN attempts > earlier_attempts THEN 'Running' ELSE 'Pending' END END`;

/** The keys that Harbor's lists of executions are filtered and sorted by. */
const columns: Columns = {
  id: { column: 'delivery_id', type: 'long' },
  vendorid: { column: 'policy_id', type: 'integer' },
  status: { column: 'harbor_status', type: 'text' },
  starttime: { column: 'requested_at', type: 'time' },
  creationtime: { column: 'requested_at', type: 'time' },
  updatetime: { column: 'updated_at', type: 'time' },
};

/** The deliveries of a policy, the latest first. The total is exact up to `maxRows`. @throws QuestionTooLong */
export const deliveriesOfPolicy = (db: Db, policyId: number, listing: Listing): Promise<Page<Delivery>> =>
  bounded(db, async (inTime) => {
    const listed = inTime.selectFrom((inner) =>
      inner
        .selectFrom('deliveries')
        .selectAll()
        .select(harborStatus.as('harbor_status'))
        .where('policy_id', '=', policyId)
        .as('listed'),
    );
    const all = filtered(listed, listing.filters, columns);
    const page = all
      .selectAll('listed')
      .orderBy(orderOf(listing, columns, []))
      .orderBy('delivery_id', 'desc');
    const counted = inTime.selectFrom(all.select('delivery_id').limit(maxRows).as('some'));
    const { rows, total } = await pageOf(page, countOf(counted), listing);
    const ids = rows.map(({ delivery_id }) => Number(delivery_id));
    const found = new Map((await listDeliveriesById(inTime, ids)).map((each) => [each.deliveryId, each]));
    return { rows: ids.flatMap((id) => found.get(id) ?? []), total };
  });

interface DeliveryRow {
  readonly delivery_id: bigint;
  readonly source_id: string;
  readonly position: bigint;
  readonly policy_id: number;
  readonly target: number;
  readonly project_id: number | null;
  readonly event_type: ToldType;
  readonly project: string;
  readonly repository: string | null;
  readonly occurred_at: Date;
  readonly told: Readonly<Record<string, unknown>>;
  readonly state: DeliveryState;
  readonly skip_reason: SkipReason | null;
  readonly requested_at: Date;
  readonly updated_at: Date;
  readonly round: number;
  readonly attempts: number;
  readonly earlier_attempts: number;
  readonly status: number | null;
  readonly error: AttemptError | null;
  readonly attempted_at: Date | null;
  readonly duration_ms: number | null;
  readonly next_at: Date | null;
}

const deliveryIn = (row: DeliveryRow): Delivery => ({
  deliveryId: Number(row.delivery_id),
  sourceId: row.source_id,
  position: row.position,
  policyId: row.policy_id,
  target: row.target,
  projectId: row.project_id ?? undefined,
  eventType: row.event_type,
  project: row.project,
  repository: row.repository ?? undefined,
  occurredAt: row.occurred_at,
  told: row.told,
  state: row.state,
  skipReason: row.skip_reason ?? undefined,
  requestedAt: row.requested_at,
  updatedAt: row.updated_at,
  round: row.round,
  attempts: row.attempts,
  tried: row.attempts - row.earlier_attempts,
  status: row.status ?? undefined,
  error: row.error ?? undefined,
  attemptedAt: row.attempted_at ?? undefined,
  durationMs: row.duration_ms ?? undefined,
  nextAt: row.next_at ?? undefined,
});
