import { sql } from 'kysely';
import type { RecordedEvent } from '../../domain/event.ts';
import type { ProjectEvent } from '../../domain/project/events.ts';
import { unlimited } from '../../domain/quota/decider.ts';
import type { QuotaEvent } from '../../domain/quota/events.ts';
import type { Projection } from '../../infra/database/projection.ts';

export interface QuotasDatabase {
  quotas: {
    project_id: number;
    project: string;
    /** The user name of who created the project. */
    owner: string;
    /** In bytes, -1 for any number. */
    storage: string;
    /** Whether it was said that there is not much left. */
    warned: boolean;
    created_at: Date;
    updated_at: Date;
  };
}

export type QuotaViewEvent =
  | Extract<ProjectEvent, { type: 'ProjectCreated' | 'ProjectDeleted' }>
  | QuotaEvent;

/** What each project may hold. What it does hold is in `storage`. */
export const quotas: Projection<QuotaViewEvent> = {
  name: 'quotas',
  version: 1,
  showsUserNames: true,
  handles: ['ProjectCreated', 'ProjectDeleted', 'QuotaSet', 'QuotaWarned', 'QuotaEased'],

  async create(db) {
    await db.schema
      .createTable('quotas')
      .addColumn('project_id', 'integer', (column) => column.primaryKey())
      .addColumn('project', sql`text COLLATE "C"`, (column) => column.notNull().unique())
      .addColumn('owner', 'text', (column) => column.notNull())
      .addColumn('storage', 'bigint', (column) => column.notNull())
      .addColumn('warned', 'boolean', (column) => column.notNull())
      .addColumn('created_at', 'timestamptz', (column) => column.notNull())
      .addColumn('updated_at', 'timestamptz', (column) => column.notNull())
      .execute();
  },

  async apply(tables, events) {
    const { created, gone, set, warned } = changesBy(events);
    await tables.remove('quotas', ['project_id'], gone);
    await tables.write('quotas', ['project_id'], created);
    await tables.update('quotas', ['project_id'], set);
    await tables.update('quotas', ['project_id'], warned);
  },
};

interface Created {
  readonly project_id: number;
  readonly project: string;
  readonly owner: string;
  readonly storage: number;
  readonly warned: boolean;
  readonly created_at: Date;
  readonly updated_at: Date;
}

/** What the events leave, whatever was there before. */
function changesBy(events: readonly RecordedEvent<QuotaViewEvent>[]) {
  const created = new Map<number, Created>();
  const gone = new Set<number>();
  const set = new Map<number, object>();
  const warned = new Map<number, object>();
  for (const event of events) {
    const { projectId: project_id } = event.data;
    const before = created.get(project_id);
    switch (event.type) {
      case 'ProjectCreated':
        created.set(project_id, {
          project_id,
          project: event.data.name,
          owner: event.data.owner,
          storage: event.data.storageLimit ?? unlimited,
          warned: false,
          created_at: event.recordedAt,
          updated_at: event.recordedAt,
        });
        break;
      case 'ProjectDeleted':
        created.delete(project_id);
        gone.add(project_id);
        break;
      case 'QuotaSet': {
        const change = { storage: event.data.storage, updated_at: event.recordedAt };
        if (before === undefined) set.set(project_id, { project_id, ...change });
        else created.set(project_id, { ...before, ...change });
        break;
      }
      case 'QuotaWarned':
      case 'QuotaEased': {
        const change = { warned: event.type === 'QuotaWarned' };
        if (before === undefined) warned.set(project_id, { project_id, ...change });
        else created.set(project_id, { ...before, ...change });
      }
    }
  }
  return {
    created: [...created.values()],
    gone: [...gone].map((project_id) => ({ project_id })),
    set: [...set.values()],
    warned: [...warned.values()],
  };
}
