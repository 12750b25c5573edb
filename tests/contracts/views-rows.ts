import assert from 'node:assert/strict';
import type { ManifestAt } from '../../domain/artifact/decider.ts';
import { artifactStream } from '../../domain/artifact/events.ts';
import { catalogue, currentVersion } from '../../domain/catalogue.ts';
import type { DomainEvent } from '../../domain/event.ts';
import { labelsStream } from '../../domain/label/events.ts';
import { type Entity, memberStream } from '../../domain/member/events.ts';
import { projectStream } from '../../domain/project/events.ts';
import { queueStream } from '../../domain/queue/events.ts';
import { retentionStream } from '../../domain/retention/events.ts';
import { robotStream } from '../../domain/robot/events.ts';
import { scheduleStream } from '../../domain/schedule/events.ts';
import { userStream } from '../../domain/user/events.ts';
import { userGroupStream } from '../../domain/user-group/events.ts';
import type { Database } from '../../infra/database/connect.ts';
import { type AnyProjection, schemaOf } from '../../infra/database/projection.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import { replayViews, verifyViews } from '../../infra/views/rebuild.ts';
import { run, type Setting } from './views-setting.ts';

/** As the aggregate names it; projections look at it only of those that are told apart here. */
function streamOf({ type, data }: DomainEvent): string {
  const { name, username, projectId, groupId, entityType, entityId, kind, vendorId, policyId } = data as {
    readonly [key: string]: string & number & Entity['entityType'];
  };
  if (type.startsWith('UserGroup')) return userGroupStream(groupId ?? 0);
  if (/^Manifest|^Label(?:At|De)tached/.test(type)) {
    const { repository, digest } = data as ManifestAt;
    return artifactStream(repository, digest);
  }
  if (type.startsWith('Label')) return labelsStream(projectId ?? null);
  if (type.startsWith('Retention')) return retentionStream(policyId ?? 0);
  if (type.startsWith('Robot')) return robotStream(name ?? '');
  if (type.startsWith('User')) return userStream(username ?? '');
  if (type.startsWith('Schedule')) return scheduleStream(kind ?? '', vendorId ?? 0);
  if (type.startsWith('Queue')) return queueStream(kind ?? '');
  if (type.startsWith('Project')) return projectStream(name ?? '');
  if (type.startsWith('Member'))
    return memberStream(projectId ?? 0, { entityType: entityType ?? 'user', entityId: entityId ?? 0 });
  return `history/${type}`;
}

/**
 * What `projection` shows of `history`: applied one by one, then once more by a runner that finds all of it at once;
 * both must show the same, and so must a replay and a verification.
 */
export async function rowsAfter(
  setting: Setting,
  projection: AnyProjection,
  history: readonly (DomainEvent & { readonly version?: number })[],
) {
  const live = await run(setting, { projections: [projection], catalogue });
  for (const past of history) {
    const { type, data, version = currentVersion(catalogue, type) } = past;
    const event = { id: newEventId(), type, version, data, metadata: { actor: 'user:admin' } };
    await live.reached(await setting.log.append(streamOf(past), 'any', [event]), [projection]);
  }
  await live.close();
  const { database } = live;
  const rows = await rowsOf(database, projection);

  const rebuild = {
    log: setting.log,
    database,
    catalogue,
    projections: [projection],
    onProgress: () => undefined,
  };
  const [verified] = await verifyViews(rebuild);
  assert.equal(verified?.difference, null);
  const [replayed] = await replayViews(rebuild);
  assert.equal(replayed?.difference, null);
  assert.deepEqual(replayed?.tables, verified?.tables);
  assert.deepEqual(await rowsOf(database, projection), rows);

  await database.pool.query(`DROP SCHEMA ${schemaOf(projection)} CASCADE`);
  const late = await run(setting, { projections: [projection], catalogue, database });
  await late.caughtUp();
  assert.deepEqual(await rowsOf(database, projection), rows);
  assert.deepEqual([live.stops, late.stops], [[], []]);
  return rows;
}

/** The rows of each table, in the order of their text. */
export async function rowsOf({ pool }: Database, projection: AnyProjection) {
  const schema = schemaOf(projection);
  const { rows } = await pool.query(
    `SELECT relname FROM pg_class
     WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition`,
    [schema],
  );
  const tables: Record<string, Record<string, unknown>[]> = {};
  for (const { relname } of rows)
    tables[relname] = (
      await pool.query(`SELECT * FROM ${schema}.${relname} t ORDER BY t::text COLLATE "C"`)
    ).rows;
  return tables;
}
