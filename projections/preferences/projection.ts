import type { RecordedEvent } from '../../domain/event.ts';
import type { PreferencesEvent } from '../../domain/preferences/events.ts';
import type { UserEvent } from '../../domain/user/events.ts';
import type { Projection } from '../../infra/database/projection.ts';
import { type Step, takeSteps } from '../steps.ts';

export interface PreferencesDatabase {
  preferences: { user_id: number; fingerprint: string; sealed: string };
}

type PreferencesViewEvent = PreferencesEvent | Extract<UserEvent, { type: 'UserDeleted' }>;

/** How each user wants the portal to look, as sealed as in the events. */
export const preferences: Projection<PreferencesViewEvent> = {
  name: 'preferences',
  version: 1,
  handles: ['PreferencesChanged', 'UserDeleted'],

  create: (db) =>
    db.schema
      .createTable('preferences')
      .addColumn('user_id', 'integer', (column) => column.primaryKey())
      .addColumn('fingerprint', 'text', (column) => column.notNull())
      .addColumn('sealed', 'text', (column) => column.notNull())
      .execute(),

  apply: (tables, events) => takeSteps(tables, events, (event) => [stepOf(event)]),
};

const at = { table: 'preferences', key: ['user_id'] };

function stepOf(event: RecordedEvent<PreferencesViewEvent>): Step {
  const { userId } = event.data;
  // The stream of the user is another one than that of the preferences.
  if (event.type === 'UserDeleted') return { by: 'remove', ...at, row: { user_id: userId }, spans: true };
  const { fingerprint, sealed } = event.data;
  return { by: 'write', ...at, row: { user_id: userId, fingerprint, sealed } };
}
