import { sql } from 'kysely';
import type { RecordedEvent } from '../../domain/event.ts';
import type { ImmutableRule } from '../../domain/immutability/decider.ts';
import type { ImmutabilityEvent } from '../../domain/immutability/events.ts';
import type { ProjectEvent } from '../../domain/project/events.ts';
import type { Projection } from '../../infra/database/projection.ts';
import { type Step, takeSteps } from '../steps.ts';

export interface ImmutabilityDatabase {
  rules: {
    rule_id: number;
    project: string;
    project_id: number;
    disabled: boolean;
    /** What else it says, as JSON; in the form of the event. */
    rule: Omit<ImmutableRule, 'isDisabled'>;
  };
}

export type ImmutabilityViewEvent = ImmutabilityEvent | Extract<ProjectEvent, { type: 'ProjectDeleted' }>;

/** The rules by which tags of a project are immutable. */
export const immutability: Projection<ImmutabilityViewEvent> = {
  name: 'immutability',
  version: 1,
  handles: ['ImmutableRuleCreated', 'ImmutableRuleChanged', 'ImmutableRuleDeleted', 'ProjectDeleted'],

  async create(db) {
    await db.schema
      .createTable('rules')
      .addColumn('rule_id', 'integer', (column) => column.primaryKey())
      .addColumn('project', sql`text COLLATE "C"`, (column) => column.notNull())
      .addColumn('project_id', 'integer', (column) => column.notNull())
      .addColumn('disabled', 'boolean', (column) => column.notNull())
      .addColumn('rule', 'jsonb', (column) => column.notNull())
      .execute();
    for (const by of ['project', 'project_id'])
      await db.schema.createIndex(`rules_by_${by}`).on('rules').columns([by, 'rule_id']).execute();
  },

  apply: (tables, events) => takeSteps(tables, events, stepsOf),
};

function stepsOf(event: RecordedEvent<ImmutabilityViewEvent>): readonly Step[] {
  switch (event.type) {
    case 'ImmutableRuleCreated':
    case 'ImmutableRuleChanged': {
      const { ruleId, project, projectId, isDisabled, ...rule } = event.data;
      const row = { rule_id: ruleId, project, project_id: projectId, disabled: isDisabled, rule };
      return [{ by: 'write', table: 'rules', key: ['rule_id'], row }];
    }
    case 'ImmutableRuleDeleted':
      return [{ by: 'remove', table: 'rules', key: ['rule_id'], row: { rule_id: event.data.ruleId } }];
    case 'ProjectDeleted': {
      const row = { project_id: event.data.projectId };
      return [{ by: 'remove', table: 'rules', key: ['project_id'], row, spans: true }];
    }
  }
}
