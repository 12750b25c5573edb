import { sql } from 'kysely';
import type { RecordedEvent } from '../../domain/event.ts';
import type { QueueEvent } from '../../domain/queue/events.ts';
import type { Projection } from '../../infra/database/projection.ts';
import { type Step, takeSteps } from '../steps.ts';

export interface QueuesDatabase {
  paused: { kind: string; paused_at: Date };
}

/** The queues of which nothing begins. */
export const queues: Projection<QueueEvent> = {
  name: 'queues',
  version: 1,
  handles: ['QueuePaused', 'QueueResumed'],

  async create(db) {
    await db.schema
      .createTable('paused')
      .addColumn('kind', sql`text COLLATE "C"`, (column) => column.primaryKey())
      .addColumn('paused_at', 'timestamptz', (column) => column.notNull())
      .execute();
  },

  apply: (tables, events) => takeSteps(tables, events, stepsOf),
};

function stepsOf({ type, data: { kind }, recordedAt }: RecordedEvent<QueueEvent>): readonly Step[] {
  const to = { table: 'paused', key: ['kind'] };
  return type === 'QueuePaused'
    ? [{ by: 'write', ...to, row: { kind, paused_at: recordedAt } }]
    : [{ by: 'remove', ...to, row: { kind } }];
}
