import type { AnyProjection } from '../infra/database/projection.ts';
import { accessTokens } from './access-tokens/projection.ts';
import { annotations } from './annotations/projection.ts';
import { artifacts } from './artifacts/projection.ts';
import { audit } from './audit/projection.ts';
import { blobs } from './blobs/projection.ts';
import { configuration } from './configuration/projection.ts';
import { credentialUses } from './credential-uses/projection.ts';
import { systemCveAllowlist } from './cve-allowlist/projection.ts';
import { executions } from './executions/projection.ts';
import { immutability } from './immutability/projection.ts';
import { labels } from './labels/projection.ts';
import { members } from './members/projection.ts';
import { preferences } from './preferences/projection.ts';
import { projects } from './projects/projection.ts';
import { publicEvents } from './public-events/projection.ts';
import { pulls } from './pulls/projection.ts';
import { queues } from './queues/projection.ts';
import { quotas } from './quotas/projection.ts';
import { referrers } from './referrers/projection.ts';
import { repositories } from './repositories/projection.ts';
import { retention } from './retention/projection.ts';
import { robots } from './robots/projection.ts';
import { schedules } from './schedules/projection.ts';
import { storage } from './storage/projection.ts';
import { tags } from './tags/projection.ts';
import { tokenKeys } from './token-keys/projection.ts';
import { userGroups } from './user-groups/projection.ts';
import { users } from './users/projection.ts';
import { webhookDeliveries } from './webhook-deliveries/projection.ts';
import { webhooks } from './webhooks/projection.ts';

/** Every read model that this version of Shiplog serves. */
export const projections: readonly AnyProjection[] = [
  accessTokens,
  annotations,
  artifacts,
  audit,
  blobs,
  immutability,
  labels,
  configuration,
  credentialUses,
  executions,
  members,
  preferences,
  projects,
  publicEvents,
  pulls,
  queues,
  quotas,
  referrers,
  repositories,
  retention,
  robots,
  schedules,
  systemCveAllowlist,
  storage,
  tags,
  tokenKeys,
  userGroups,
  users,
  webhookDeliveries,
  webhooks,
];
