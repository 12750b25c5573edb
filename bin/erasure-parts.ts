import type { Logger } from 'pino';
import { type EraseUserPorts, eraseUser, findErasure } from '../commands/erase-user.ts';
import { catalogue } from '../domain/catalogue.ts';
import type { ErasurePorts } from '../gateway/api/user-erasures.ts';
import { postgresExports } from '../infra/audit-exports/postgres.ts';
import { postgresCheckpoints } from '../infra/checkpoints/postgres.ts';
import type { Configuration } from '../infra/configuration/schema.ts';
import { aloneIn } from '../infra/database/alone.ts';
import type { Database } from '../infra/database/connect.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { postgresForwardingState } from '../infra/forwarding-state/postgres.ts';
import type { PersonalData } from '../infra/personal-data/port.ts';
import type { SessionStore } from '../infra/session-store/port.ts';
import type { UserNames } from '../infra/user-names/port.ts';
import { discardLeftovers } from '../infra/views/leftovers.ts';
import { replayViews } from '../infra/views/rebuild.ts';
import { postgresWebhookAttempts } from '../infra/webhook-attempts/postgres.ts';
import { projections } from '../projections/projections.ts';
import { eraseUsers, erasureFollower } from '../workers/erase-users.ts';
import { type Following, keepFollowing } from '../workers/follow-log.ts';

export interface ErasureEngines extends EraseUserPorts {
  readonly log: EventLog;
  readonly configuration: Pick<Configuration, 'gdpr'>;
  readonly personalData: PersonalData;
  readonly userNames: UserNames;
  readonly sessionStore: Pick<SessionStore, 'endAllOf'>;
  readonly database: Database;
  /** Has a connection to spare, which holds the lock of who follows. */
  readonly lockDatabase: Database;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
}

/** What the management API asks for. */
export function erasureParts(
  engines: Pick<
    ErasureEngines,
    'log' | 'record' | 'personalData' | 'userNames' | 'configuration' | 'database'
  >,
): ErasurePorts {
  const checkpoints = postgresCheckpoints(engines.database);
  return {
    erase: eraseUser(engines),
    find: findErasure(engines),
    doneUpTo: async () => (await checkpoints.read(erasureFollower)) ?? 0n,
    atDeletion: engines.configuration.gdpr.delete_user,
  };
}

const naming = projections.filter(({ showsUserNames }) => showsUserNames);
const nameless = projections.filter(({ showsUserNames }) => !showsUserNames);

/** Erases users from the views, in one process of all. */
export function keepErasingUsers(engines: ErasureEngines): Following {
  const { log, personalData, userNames, sessionStore, database, lockDatabase, logger } = engines;
  const exports = postgresExports(database);
  const attempts = postgresWebhookAttempts(database);
  const forwarding = postgresForwardingState(database);
  const erasing = eraseUsers({
    ...{ log, checkpoints: postgresCheckpoints(database), userNames },
    async forget(userId) {
      await personalData.forget(userId);
      await sessionStore.endAllOf(userId);
    },
    async rebuild(over) {
      // Before the long work: who is of another version may be about for a while.
      await discardLeftovers(database, projections, nameless);
      await replayViews({
        ...{ log, database, catalogue },
        projections: naming,
        // Nothing of a copy that is not finished is left.
        onProgress: () => over.throwIfAborted(),
      });
    },
    async removeCopies(userIds) {
      // Which of the compressed files name them cannot be told without their names.
      await exports.forgetAll();
      await forwarding.forgetWords();
      const known = await userNames.of(userIds);
      await attempts.forgetAbout([...known.values()].map(({ key }) => key));
      // The statistics of the old views go with them, but lie about for a while.
      await database.pool.query('VACUUM pg_catalog.pg_statistic');
    },
    async tidy() {
      // Rows of sessions that are closed lie about for a while; there are none where sessions are in Redis.
      const { rows } = await database.pool.query(
        "SELECT to_regclass('sessions.open_sessions') IS NOT NULL AS there",
      );
      if (rows[0]?.there) await database.pool.query('VACUUM sessions.open_sessions');
    },
    onErased: (users) => logger.info({ users }, 'users were erased from all views'),
  });
  return keepFollowing({
    ...{ log, catalogue },
    alone: aloneIn(lockDatabase, erasureFollower),
    ...erasing,
    onFailure: (error) =>
      logger.warn({ err: error }, 'users who were erased cannot be taken out of the views now'),
  });
}
