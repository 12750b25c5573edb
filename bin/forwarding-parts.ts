import { readFile } from 'node:fs/promises';
import { isAuditType, typesIn } from '../domain/audit/types.ts';
import { catalogue } from '../domain/catalogue.ts';
import type { Configuration as RunTimeConfiguration } from '../domain/configuration/items.ts';
import type { AuditForwardingPorts, ForwardingStatus } from '../gateway/api/audit-forwarding.ts';
import { openHarborTarget, openTarget, type TargetSettings } from '../infra/audit-targets/open.ts';
import type { AuditTarget, Origin } from '../infra/audit-targets/port.ts';
import { postgresCheckpoints } from '../infra/checkpoints/postgres.ts';
import type { Configuration } from '../infra/configuration/schema.ts';
import { aloneIn } from '../infra/database/alone.ts';
import type { Database } from '../infra/database/connect.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { postgresForwardingState } from '../infra/forwarding-state/postgres.ts';
import type { ForwardingMeters } from '../infra/telemetry/forwarding-metrics.ts';
import {
  type Destination,
  type ForwardPorts,
  followerOf,
  keepForwarding,
  startForwarding,
} from '../workers/forward-audit.ts';
import { type OldestBehind, oldestBehind } from './oldest-behind.ts';
import { version } from './version.ts';

type Configured = Configuration['audit']['forward'][number];

/** The setting of Harbor's API, by which the target of it is called; none of the file can have that name. */
const endpointName = 'audit_log_forward_endpoint';
const endpointTimeoutMs = 30_000;
const endpointBatch = { records: 500, bytes: 1_000_000 };

/** How many connections the locks of those that follow need. */
export const forwardingConnections = ({ audit }: Configuration): number => audit.forward.length + 1;

export interface ForwardingEngines {
  readonly configuration: Configuration;
  readonly log: EventLog;
  readonly database: Pick<Database, 'pool'>;
  /** Has as many connections to spare as `forwardingConnections` says. */
  readonly lockDatabase: Database;
  readonly meters: ForwardingMeters;
  readonly logger: {
    warn(fields: object, message: string): void;
    error(fields: object, message: string): void;
  };
  /** What can be set while the system runs. */
  readonly settings: {
    configuration(): Promise<RunTimeConfiguration>;
    configurationReached(position: bigint): Promise<void>;
  };
}

/**
 * Sends the audit log where the file, and Harbor's API, say, each in one process of all. What is recorded after it has
 * resolved is sent.
 */
export async function forwardAudit(engines: ForwardingEngines): Promise<{ stop(): Promise<void> }> {
  const { configuration, log, database, lockDatabase, meters, logger, settings } = engines;
  const origin: Origin = { hostname: configuration.hostname, version };
  const checkpoints = postgresCheckpoints(database);
  const state = postgresForwardingState(database);
  const configured = await Promise.all(
    configuration.audit.forward.map(async (target) => ({ target, settings: await settingsOf(target) })),
  );

  // Whoever has switched it off for a trial is reminded at each start.
  for (const { target } of configured)
    if (!target.verify)
      logger.warn({ target: target.name }, 'the certificate of a target of the audit log is not checked');

  let knownPrefix = configuration.robot_name_prefix;
  async function robotPrefix(): Promise<string> {
    try {
      knownPrefix = (await settings.configuration()).robot_name_prefix;
    } catch {
      // Views that are behind or being built keep nobody from forwarding over how a name is shown.
    }
    return knownPrefix;
  }

  async function keep(name: string, of: Pick<ForwardPorts, 'first' | 'destination' | 'batch'>) {
    await startForwarding({ checkpoints, name, ...of });
    return keepForwarding({
      ...{ log, catalogue, checkpoints, state, name },
      alone: aloneIn(lockDatabase, followerOf(name)),
      ...of,
      robotPrefix,
      onForwarded: (records) => meters.forwarded(name, records),
      onFailure(error) {
        meters.failed(name);
        logger.warn({ err: error, target: name }, 'the audit log cannot be forwarded now');
      },
      onRefused: ({ eventId, position }, reason) =>
        logger.error(
          { target: name, event: eventId, position, reason },
          'a target of the audit log refuses an event for ever, which is put aside',
        ),
    });
  }

  const following = await Promise.all([
    ...configured.map(({ target, settings }) =>
      keep(target.name, {
        first: async () => (target.from === 'beginning' ? 0n : log.head()),
        destination: () => fixedDestination(openTarget(settings, origin), target.types),
        batch: { records: target.batch_size, bytes: target.batch_bytes },
      }),
    ),
    keep(endpointName, {
      first: () => log.head(),
      destination: () => endpointDestination(settings, origin),
      batch: endpointBatch,
    }),
  ]);
  return {
    async stop() {
      await Promise.all(following.map((each) => each.stop()));
    },
  };
}

/** Rejects when a file of PEM cannot be read; the message names it. */
async function settingsOf(target: Configured): Promise<TargetSettings> {
  const { ca, cert, key, verify, token, password, signing_secret, timeout } = target;
  const { type, url, username, index, format, acknowledged, gzip } = target;
  return {
    ...{ type, url, username, index, format, acknowledged, gzip },
    tls: {
      ...(ca !== undefined && { ca: await readFile(ca, 'utf8') }),
      ...(cert !== undefined && { cert: await readFile(cert, 'utf8') }),
      ...(key !== undefined && { key: await readFile(key, 'utf8') }),
      verify,
    },
    token: token?.reveal(),
    password: password?.reveal(),
    signingSecret: signing_secret?.reveal(),
    timeoutMs: timeout * 1000,
  };
}

/** What the file says does not depend on who may change settings. */
const fixedDestination = (target: AuditTarget, types: readonly string[]): Destination => {
  const wanted = new Set(types);
  return {
    target: async () => target,
    chosen: async (records) =>
      wanted.size === 0
        ? records
        : records.filter(({ operation, eventType }) => wanted.has(operation) || wanted.has(eventType)),
    close: () => target.close(),
  };
};

/** As Harbor: what is left out of the audit log is not sent either, whereas `skip_audit_log_database` changes nothing here. */
function endpointDestination(settings: ForwardingEngines['settings'], origin: Origin): Destination {
  let open: { readonly endpoint: string; readonly target: AuditTarget } | undefined;
  return {
    async target() {
      const { audit_log_forward_endpoint: endpoint } = await settings.configuration();
      if (open?.endpoint === endpoint) return open.target;
      open?.target.close();
      open =
        endpoint === ''
          ? undefined
          : { endpoint, target: openHarborTarget(endpoint, origin, endpointTimeoutMs) };
      return open?.target;
    },
    async chosen(records, upTo) {
      if (records.some(({ eventType }) => eventType === 'ConfigurationChanged'))
        await settings.configurationReached(upTo);
      const { audit_log_forward_endpoint, disabled_audit_log_event_types, pull_audit_log_disable } =
        await settings.configuration();
      if (audit_log_forward_endpoint === '') return [];
      const leftOut = new Set<string>(typesIn(disabled_audit_log_event_types));
      if (pull_audit_log_disable) leftOut.add('pull_artifact');
      return records.filter(({ operation }) => isAuditType(operation) && !leftOut.has(operation));
    },
    close: () => open?.target.close(),
  };
}

export interface ForwardingStatusEngines {
  readonly configuration: Configuration;
  readonly log: EventLog;
  readonly database: Pick<Database, 'pool'>;
}

/** How many of the records that were put aside are shown. */
const shownRefused = 10;

/** How far a target is, without what it has refused. */
type Progress = Omit<ForwardingStatus, 'lastRefused'>;

/** How far the targets are, whichever process sends to them. */
export function forwardingStatus(
  engines: ForwardingStatusEngines,
): AuditForwardingPorts & { progress(endpoint: string): Promise<readonly Progress[]> } {
  const { configuration, log, database } = engines;
  const checkpoints = postgresCheckpoints(database);
  const state = postgresForwardingState(database);
  const behind = new Map<string, OldestBehind>();

  async function progress(endpoint: string): Promise<readonly Progress[]> {
    const targets = configuration.audit.forward.map(({ name, type }) => ({ name, type }));
    const all = endpoint === '' ? targets : [...targets, { name: endpointName, type: 'syslog' as const }];
    const [head, states] = await Promise.all([log.head(), state.all()]);
    return Promise.all(
      all.map(async ({ name, type }) => {
        // Who has not begun will do so where the log is then, or has everything before him.
        const position = (await checkpoints.read(followerOf(name))) ?? 0n;
        const known = states.get(name);
        return {
          ...{ name, type, position, head },
          lagSeconds: position >= head ? 0 : await lagOf(name, position),
          lastError: known?.lastError,
          lastErrorAt: known?.lastErrorAt,
          refused: known?.refused ?? 0,
        };
      }),
    );
  }

  async function lagOf(name: string, position: bigint): Promise<number> {
    const oldest = behind.get(name) ?? oldestBehind(log);
    behind.set(name, oldest);
    const since = await oldest(position);
    return since === undefined ? 0 : Math.max(0, (Date.now() - since.getTime()) / 1000);
  }

  return {
    progress,
    async auditForwarding(endpoint) {
      const refusedBy = ({ name, refused }: Progress) =>
        refused > 0 ? state.refusedBy(name, shownRefused) : [];
      return Promise.all(
        (await progress(endpoint)).map(async (status) => ({
          ...status,
          lastRefused: await refusedBy(status),
        })),
      );
    },
  };
}
