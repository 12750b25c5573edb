import type { Kysely } from 'kysely';
import type { SealedTarget, WebhookEventType, WebhookFilters } from '../../domain/webhook/events.ts';
import { countOf, filtered, pageOf } from '../list-page.ts';
import { type Columns, type Listing, orderOf, type Page } from '../listing.ts';
import type { WebhookDeliveriesDatabase } from '../webhook-deliveries/projection.ts';
import type { WebhookSigning, WebhooksDatabase } from './projection.ts';

export interface WebhookPolicy {
  readonly policyId: number;
  /** Null for one that is for every project. */
  readonly projectId: number | null;
  readonly name: string;
  readonly description: string;
  readonly targets: readonly SealedTarget[];
  readonly eventTypes: readonly WebhookEventType[];
  readonly isEnabled: boolean;
  readonly filters: WebhookFilters;
  /** What it signs with; null where it does not. */
  readonly signing: WebhookSigning | null;
  /** The name of who has made it. */
  readonly creator: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const policyColumns = [
  'policy_id as policyId',
  'project_id as projectId',
  'name',
  'description',
  'targets',
  'event_types as eventTypes',
  'enabled as isEnabled',
  'filters',
  'signing',
  'creator',
  'created_at as createdAt',
  'updated_at as updatedAt',
] as const;

/** The policy, if it is one of the project, or one of those that are for every project, where that is null. */
export const findWebhookPolicy = (
  db: Kysely<WebhooksDatabase>,
  projectId: number | null,
  policyId: number,
): Promise<WebhookPolicy | undefined> =>
  db
    .selectFrom('policies')
    .select(policyColumns)
    .where('policy_id', '=', policyId)
    .where('project_id', 'is not distinct from', projectId)
    .executeTakeFirst();

/** The policy, whichever project it is of. */
export const findWebhookPolicyById = (
  db: Kysely<WebhooksDatabase>,
  policyId: number,
): Promise<WebhookPolicy | undefined> =>
  db.selectFrom('policies').select(policyColumns).where('policy_id', '=', policyId).executeTakeFirst();

/** All policies that tell something, of every project. */
export const enabledPolicies = (db: Kysely<WebhooksDatabase>): Promise<readonly WebhookPolicy[]> =>
  db.selectFrom('policies').select(policyColumns).where('enabled', '=', true).execute();

/** The keys that lists of policies are filtered and sorted by. */
const columns: Columns = {
  id: { column: 'policy_id', type: 'integer' },
  name: { column: 'name', type: 'text' },
  description: { column: 'description', type: 'text' },
  creator: { column: 'creator', type: 'text' },
  enabled: { column: 'enabled', type: 'boolean' },
  creationtime: { column: 'created_at', type: 'time' },
  updatetime: { column: 'updated_at', type: 'time' },
};

/** The policies of a project, or with null those that are for every project, the newest first. */
export async function listWebhookPolicies(
  db: Kysely<WebhooksDatabase>,
  projectId: number | null,
  listing: Listing,
): Promise<Page<WebhookPolicy>> {
  const all = filtered(
    db.selectFrom('policies').where('project_id', 'is not distinct from', projectId),
    listing.filters,
    columns,
  );
  const page = all
    .select(policyColumns)
    .orderBy(orderOf(listing, columns, []))
    .orderBy('policy_id', 'desc');
  // The policies of one project, by an index.
  return pageOf(page, countOf(all), listing);
}

export interface LastTrigger {
  readonly name: string;
  readonly eventType: WebhookEventType;
  readonly isEnabled: boolean;
  readonly createdAt: Date;
  /** Undefined before the first time. */
  readonly triggeredAt: Date | undefined;
}

/** When each policy of a project last told of each type that it tells of, the newest policy first. */
export async function lastTriggersOf(
  db: Kysely<WebhooksDatabase>,
  deliveries: Kysely<WebhookDeliveriesDatabase>,
  projectId: number,
): Promise<readonly LastTrigger[]> {
  const policies = await db
    .selectFrom('policies')
    .select(['policy_id', 'name', 'event_types', 'enabled', 'created_at'])
    .where('project_id', '=', projectId)
    .orderBy('policy_id', 'desc')
    .execute();
  if (policies.length === 0) return [];
  const triggers = await deliveries
    .selectFrom('triggers')
    .select(['policy_id', 'event_type', 'triggered_at'])
    .where(
      'policy_id',
      'in',
      policies.map(({ policy_id }) => policy_id),
    )
    .execute();
  const last = new Map(triggers.map((row) => [`${row.policy_id}/${row.event_type}`, row.triggered_at]));
  return policies.flatMap(({ policy_id, name, event_types, enabled, created_at }) =>
    event_types.map((eventType) => ({
      name,
      eventType,
      isEnabled: enabled,
      createdAt: created_at,
      triggeredAt: last.get(`${policy_id}/${eventType}`),
    })),
  );
}
