import type { Database } from '../database/connect.ts';
import { type AnyProjection, schemaOf } from '../database/projection.ts';
import { copyingLock, discard, tryLock, unlock } from './build.ts';
import { createCheckpoints } from './checkpoints.ts';
import { onOwnSession } from './session.ts';

/** Another process is at work on what is to go: one of another version of Shiplog, or one that verifies or replays. */
export class LeftoverInUse extends Error {
  override readonly name = 'LeftoverInUse';
}

/**
 * Removes the views that processes of this version do not serve: those of other versions, which an upgrade has left or somebody
 * is just building, and copies that a killed replay or verification has left; but for copies of what is `spared`.
 * @param projections all of this version
 * @throws LeftoverInUse for what another process is at work on; the others are gone.
 */
export const discardLeftovers = (
  database: Database,
  projections: readonly AnyProjection[],
  spared: readonly AnyProjection[],
): Promise<void> =>
  onOwnSession(database, async (client) => {
    await createCheckpoints(client);
    const serving = new Set(projections.map(schemaOf));
    const stay = new Set(spared.map(schemaOf));
    const { rows } = await client.query<{ schema: string; projection: string; version: number }>(
      'SELECT schema, projection, version FROM views.checkpoints ORDER BY schema',
    );
    const inUse: string[] = [];
    for (const { schema, projection, version } of rows) {
      const original = schemaOf({ name: projection, version });
      if (serving.has(schema) || stay.has(original)) continue;
      const lock = schema === original ? schema : copyingLock(original);
      if (await tryLock(client, lock)) {
        await discard(client, schema);
        await unlock(client, lock);
      } else inUse.push(schema);
    }
    if (inUse.length > 0) throw new LeftoverInUse(`another process is at work on ${inUse.join(', ')}`);
  });
