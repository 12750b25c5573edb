import type { ProjectLogPorts } from '../gateway/api/project-log.ts';
import { type ViewDatabase, viewOf } from '../infra/database/projection.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import type { Views } from '../infra/views/port.ts';
import { type ProjectLogDatabase, projectLog } from '../projections/project-log/projection.ts';
import { listProjectLog } from '../projections/project-log/queries.ts';
import type { Current } from './api-parts.ts';

/** What the management API asks of the logs of projects; no write waits for these. */
export const projectLogParts = (
  { log, views }: { readonly log: Pick<EventLog, 'head'>; readonly views: Pick<Views, 'reached'> },
  { kysely, current }: { readonly kysely: ViewDatabase; readonly current: Current },
): ProjectLogPorts => ({
  listProjectLog: current(listProjectLog.bind(undefined, viewOf<ProjectLogDatabase>(kysely, projectLog))),
  projectLogReached: async () => views.reached(await log.head(), [projectLog]),
});
