import { sql } from 'kysely';
import type { RecordedEvent } from '../../domain/event.ts';
import type { ScheduleEvent } from '../../domain/schedule/events.ts';
import type { Projection } from '../../infra/database/projection.ts';
import { type Step, takeSteps } from '../steps.ts';

export interface SchedulesDatabase {
  schedules: {
    schedule_id: number;
    kind: string;
    vendor_id: number;
    type: string;
    cron: string;
    /** JSON. */
    parameters: string;
    /** When it was set last. */
    updated_at: Date;
    /** Nothing at this time or before is due any more. */
    done_up_to: Date;
    /** What it started last; null before. */
    execution_id: number | null;
    /** The last time that it was due while that was running; null where that never was. */
    skipped_at: Date | null;
  };
}

/** What the clock starts, and up to when it has. */
export const schedules: Projection<ScheduleEvent> = {
  name: 'schedules',
  version: 1,
  handles: ['ScheduleSet', 'ScheduleFired', 'ScheduleSkipped', 'ScheduleRemoved'],

  async create(db) {
    const text = sql`text COLLATE "C"`;
    await db.schema
      .createTable('schedules')
      .addColumn('schedule_id', 'integer', (column) => column.primaryKey())
      .addColumn('kind', text, (column) => column.notNull())
      .addColumn('vendor_id', 'integer', (column) => column.notNull())
      .addColumn('type', 'text', (column) => column.notNull())
      .addColumn('cron', 'text', (column) => column.notNull())
      .addColumn('parameters', 'text', (column) => column.notNull())
      .addColumn('updated_at', 'timestamptz', (column) => column.notNull())
      .addColumn('done_up_to', 'timestamptz', (column) => column.notNull())
      .addColumn('execution_id', 'integer')
      .addColumn('skipped_at', 'timestamptz')
      .execute();
    await db.schema
      .createIndex('schedules_by_vendor')
      .on('schedules')
      .columns(['kind', 'vendor_id'])
      .execute();
  },

  apply: (tables, events) => takeSteps(tables, events, stepsOf),
};

function stepsOf(event: RecordedEvent<ScheduleEvent>): readonly Step[] {
  const to = { table: 'schedules', key: ['schedule_id'] } as const;
  const { scheduleId: schedule_id } = event.data;
  switch (event.type) {
    case 'ScheduleSet': {
      const { kind, vendorId, type, cron, parameters, since } = event.data;
      const row = {
        ...{ schedule_id, kind, vendor_id: vendorId, type, cron },
        parameters: JSON.stringify(parameters),
        updated_at: event.recordedAt,
        done_up_to: new Date(since),
      };
      // What it has started before stays, where it was there.
      return [{ by: 'write', ...to, row }];
    }
    case 'ScheduleFired': {
      const { dueAt, executionId } = event.data;
      const row = { schedule_id, done_up_to: new Date(dueAt), execution_id: executionId };
      return [{ by: 'update', ...to, row }];
    }
    case 'ScheduleSkipped': {
      const skipped_at = new Date(event.data.dueAt);
      return [{ by: 'update', ...to, row: { schedule_id, done_up_to: skipped_at, skipped_at } }];
    }
    case 'ScheduleRemoved':
      return [{ by: 'remove', ...to, row: { schedule_id } }];
  }
}
