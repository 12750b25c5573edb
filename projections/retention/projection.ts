import { sql } from 'kysely';
import type { RecordedEvent } from '../../domain/event.ts';
import type { ProjectEvent } from '../../domain/project/events.ts';
import type { RetentionEvent } from '../../domain/retention/events.ts';
import type { Projection } from '../../infra/database/projection.ts';
import { type Step, takeSteps } from '../steps.ts';

export interface RetentionDatabase {
  policies: {
    policy_id: number;
    project: string;
    project_id: number;
    /** JSON. */
    rules: string;
    /** Empty for never. */
    cron: string;
  };
}

type Event = RetentionEvent | Extract<ProjectEvent, { type: 'ProjectDeleted' }>;

/** The retention policies of the projects that there are. */
export const retention: Projection<Event> = {
  name: 'retention',
  version: 1,
  handles: ['RetentionPolicyCreated', 'RetentionPolicyChanged', 'RetentionPolicyDeleted', 'ProjectDeleted'],

  async create(db) {
    await db.schema
      .createTable('policies')
      .addColumn('policy_id', 'integer', (column) => column.primaryKey())
      .addColumn('project', sql`text COLLATE "C"`, (column) => column.notNull())
      .addColumn('project_id', 'integer', (column) => column.notNull())
      .addColumn('rules', 'text', (column) => column.notNull())
      .addColumn('cron', 'text', (column) => column.notNull())
      .execute();
    await db.schema.createIndex('policies_of_project').on('policies').column('project_id').execute();
  },

  apply: (tables, events) => takeSteps(tables, events, stepsOf),
};

function stepsOf(event: RecordedEvent<Event>): readonly Step[] {
  const table = 'policies';
  switch (event.type) {
    case 'RetentionPolicyCreated':
    case 'RetentionPolicyChanged': {
      const { policyId, project, projectId, rules, cron } = event.data;
      const row = { policy_id: policyId, project, project_id: projectId, rules: JSON.stringify(rules), cron };
      // Of a project that is gone there is no row any more, and a change brings none back.
      return [
        { by: event.type === 'RetentionPolicyCreated' ? 'write' : 'update', table, key: ['policy_id'], row },
      ];
    }
    case 'RetentionPolicyDeleted':
      return [{ by: 'remove', table, key: ['policy_id'], row: { policy_id: event.data.policyId } }];
    case 'ProjectDeleted': {
      const row = { project_id: event.data.projectId };
      return [{ by: 'remove', table, key: ['project_id'], row, spans: true }];
    }
  }
}
