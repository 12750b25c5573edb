import type { AccessTokenEvent } from '../../domain/access-token/events.ts';
import type { CredentialKind, CredentialUseEvent } from '../../domain/credential-use/events.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import type { RobotEvent } from '../../domain/robot/events.ts';
import type { Projection } from '../../infra/database/projection.ts';
import { type Step, takeSteps } from '../steps.ts';

export interface CredentialUsesDatabase {
  credential_uses: {
    kind: CredentialKind;
    id: number;
    used_at: Date;
    used_from: string | null;
    user_agent: string | null;
  };
}

export type CredentialUsesEvent =
  | CredentialUseEvent
  | Extract<RobotEvent, { type: 'RobotDeleted' }>
  | Extract<AccessTokenEvent, { type: 'AccessTokenRevoked' }>;

/** When, from where and by what each robot account and each access token was used last, but for a few minutes. */
export const credentialUses: Projection<CredentialUsesEvent> = {
  name: 'credential_uses',
  version: 1,
  handles: ['CredentialUsed', 'RobotDeleted', 'AccessTokenRevoked'],

  create: (db) =>
    db.schema
      .createTable('credential_uses')
      .addColumn('kind', 'text', (column) => column.notNull())
      .addColumn('id', 'integer', (column) => column.notNull())
      .addColumn('used_at', 'timestamptz', (column) => column.notNull())
      .addColumn('used_from', 'text')
      .addColumn('user_agent', 'text')
      .addPrimaryKeyConstraint('credential_uses_key', ['kind', 'id'])
      .execute(),

  apply: (tables, events) => takeSteps(tables, events, (event) => [stepOf(event)]),
};

const table = 'credential_uses';
const key = ['kind', 'id'];

function stepOf(event: RecordedEvent<CredentialUsesEvent>): Step {
  switch (event.type) {
    case 'CredentialUsed': {
      const { kind, id, usedAt } = event.data;
      const { clientIp = null, userAgent = null } = event.metadata;
      const row = { kind, id, used_at: usedAt, used_from: clientIp, user_agent: userAgent };
      return { by: 'write', table, key, row };
    }
    // What was used is recorded in other streams than what is gone.
    case 'RobotDeleted':
      return { by: 'remove', table, key, row: { kind: 'robot', id: event.data.robotId }, spans: true };
    case 'AccessTokenRevoked':
      return { by: 'remove', table, key, row: { kind: 'access-token', id: event.data.tokenId }, spans: true };
  }
}
