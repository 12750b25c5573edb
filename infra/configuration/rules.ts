import { forwardingRules } from './forwarding-rules.ts';
import type { Keys } from './schema.ts';

/** What is wrong between several keys: the key to change, and what is expected of it. */
export interface Disagreement {
  readonly path: string[];
  readonly message: string;
}

export type Partially<T> = T extends object ? { readonly [K in keyof T]?: Partially<T[K]> | undefined } : T;

/**
 * Reports the keys that do not fit together. `written` may be incomplete or wrong in single keys, which are reported
 * by their own types: a rule holds its tongue where it does not have what it speaks of.
 */
export function checkTogether(
  written: Partially<Keys>,
  report: (issue: { code: 'custom'; path: string[]; message: string }) => void,
): void {
  for (const rules of [
    serverRules,
    databaseRules,
    eventLogRules,
    eventsRules,
    storageRules,
    traceRules,
    forwardingRules,
  ])
    for (const { path, message } of rules(written)) report({ code: 'custom', path, message });
}

function* serverRules({ data, data_volume, http, https, metric }: Partially<Keys>): Iterable<Disagreement> {
  if (data !== undefined && data_volume !== undefined && data !== data_volume)
    yield { path: ['data_volume'], message: 'only one of data and data_volume, which are the same thing' };

  const same = (one: unknown, other: unknown) => typeof one === 'number' && one !== 0 && one === other;
  if (same(https?.port, http?.port))
    yield { path: ['https', 'port'], message: 'another port than that of http.port' };
  if (metric?.enabled === true && (same(metric.port, http?.port) || same(metric.port, https?.port)))
    yield { path: ['metric', 'port'], message: 'another port than those of http.port and https.port' };
}

function* databaseRules({ database, external_database }: Partially<Keys>): Iterable<Disagreement> {
  if (database?.url !== undefined && external_database?.harbor !== undefined)
    yield { path: ['database', 'url'], message: 'only one of database.url and external_database.harbor' };
  for (const name of ['harbor', 'log'] as const) {
    const server = external_database?.[name];
    yield* together(server, 'ssl_cert', 'ssl_key', ['external_database', name]);
  }
}

function* eventLogRules({ event_log }: Partially<Keys>): Iterable<Disagreement> {
  const { engine, jetstream, eventstoredb } = event_log ?? {};
  if (engine === 'jetstream' && !jetstream?.servers?.length)
    yield {
      path: ['event_log', 'jetstream', 'servers'],
      message: 'at least one server, since event_log.engine is jetstream',
    };
  if (engine === 'eventstoredb' && eventstoredb?.url === undefined)
    yield {
      path: ['event_log', 'eventstoredb', 'url'],
      message: 'a connection string, since event_log.engine is eventstoredb',
    };

  yield* natsRules(jetstream, ['event_log', 'jetstream']);
}

/** Of a connection to NATS. */
function* natsRules(
  nats: Partially<NonNullable<Keys['event_log']['jetstream']>> | undefined,
  at: readonly string[],
): Iterable<Disagreement> {
  yield* together(nats, 'user', 'password', at);
  yield* together(nats?.tls, 'cert', 'key', [...at, 'tls']);
  const logins = (['user', 'token', 'creds', 'nkey'] as const).filter((key) => nats?.[key] !== undefined);
  if (logins.length > 1)
    yield {
      path: [...at, logins[1] as string],
      message: 'only one of user with password, token, creds and nkey',
    };
}

function* eventsRules({ events, event_log }: Partially<Keys>): Iterable<Disagreement> {
  const { nats } = events ?? {};
  if (nats === undefined) return;
  const at = ['events', 'nats'];
  if (!nats.servers?.length)
    yield { path: [...at, 'servers'], message: 'at least one server, since events.nats is there' };
  yield* natsRules(nats, at);
  // One NATS may hold both, and a message of the one stream must never land in the other.
  const { engine, jetstream } = event_log ?? {};
  const logStream = jetstream?.stream;
  if (engine !== 'jetstream' || logStream === undefined) return;
  if (nats.stream === logStream)
    yield { path: [...at, 'stream'], message: 'another stream than event_log.jetstream.stream' };
  if (nats.subject_prefix?.split('.')[0] === logStream)
    yield {
      path: [...at, 'subject_prefix'],
      message: 'another first word than event_log.jetstream.stream, with which the subjects of the log begin',
    };
}

function* storageRules({ storage_service }: Partially<Keys>): Iterable<Disagreement> {
  const { filesystem, s3 } = storage_service ?? {};
  if (filesystem !== undefined && s3 !== undefined)
    yield { path: ['storage_service', 'filesystem'], message: 'only one of filesystem and s3' };
  yield* together(s3, 'accesskey', 'secretkey', ['storage_service', 's3']);
}

function* traceRules({ trace }: Partially<Keys>): Iterable<Disagreement> {
  if (trace?.enabled === true && trace.otel === undefined)
    yield {
      path: ['trace', 'otel', 'endpoint'],
      message: 'the address of an OpenTelemetry collector, since trace.enabled is true',
    };
}

/** Two keys of one section, of which neither makes sense alone. */
export function* together<Key extends string>(
  section: { readonly [K in Key]?: unknown } | undefined,
  one: Key,
  other: Key,
  at: readonly string[],
): Iterable<Disagreement> {
  const hasOne = section?.[one] !== undefined;
  const hasOther = section?.[other] !== undefined;
  if (hasOne && !hasOther) yield { path: [...at, other], message: `a value, since ${one} has one` };
  if (hasOther && !hasOne) yield { path: [...at, one], message: `a value, since ${other} has one` };
}
