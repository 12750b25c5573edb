import {
  DiscardPolicy,
  type JetStreamManager,
  nanos,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from 'nats';
import type { JetStreamLogOptions } from './jetstream.ts';
import type { JetStreamConnection } from './jetstream-connection.ts';
import { LogUnavailable } from './port.ts';

/**
 * In an older cluster two appends at one expected sequence can both be taken when they are in flight together, so that
 * a revision is there twice: https://github.com/nats-io/nats-server/issues/4320 and pull request 5794.
 */
const oldestReplicating = { major: 2, minor: 11 };

const hourMs = 60 * 60 * 1000;

/** What keeps every message for ever: a stream that differs in one of these would lose events. */
const keepsAll = {
  storage: StorageType.File,
  retention: RetentionPolicy.Limits,
  // A full disk or account then refuses the new append, rather than dropping the oldest.
  discard: DiscardPolicy.New,
  deny_delete: true,
  deny_purge: true,
  max_msgs: -1,
  max_msgs_per_subject: -1,
  max_bytes: -1,
  max_age: 0,
} satisfies Partial<StreamConfig>;

/**
 * Creates the JetStream stream where it is missing, and brings the replicas and the duplicate window of an existing
 * one to what is asked for.
 * @throws LogUnavailable when the stream that is there could lose events, or the server is too old for replicas.
 */
export async function prepareStream(
  connection: JetStreamConnection,
  { streamName: name, replicas, duplicateWindowMs }: JetStreamLogOptions,
): Promise<{ readonly duplicateWindowMs: number }> {
  try {
    refuseUnsafeReplicas(connection, replicas ?? 1);
    const manager = await connection.client.jetstreamManager();
    const wanted = {
      ...(replicas !== undefined && { num_replicas: replicas }),
      ...(duplicateWindowMs !== undefined && { duplicate_window: nanos(duplicateWindowMs) }),
    };
    const { config } = await findOrCreate(manager, {
      ...keepsAll,
      name,
      subjects: [`${name}.*`],
      num_replicas: 1,
      duplicate_window: nanos(hourMs),
      ...wanted,
    });
    const wrong = Object.entries(keepsAll).filter(
      ([key, value]) => config[key as keyof StreamConfig] !== value,
    );
    if (wrong.length > 0)
      throw new LogUnavailable(
        `the JetStream stream ${name} could lose events; it needs ${wrong.map(([key, value]) => `${key}: ${value}`).join(', ')}`,
      );
    const differs = Object.entries(wanted).some(
      ([key, value]) => config[key as keyof StreamConfig] !== value,
    );
    const current = differs ? (await manager.streams.update(name, wanted)).config : config;
    refuseUnsafeReplicas(connection, current.num_replicas);
    return { duplicateWindowMs: current.duplicate_window / 1_000_000 };
  } catch (error) {
    if (error instanceof LogUnavailable) throw error;
    throw new LogUnavailable(`the JetStream stream ${name} cannot be prepared`, { cause: error });
  }
}

function refuseUnsafeReplicas({ client }: JetStreamConnection, replicas: number): void {
  const version = client.info?.version ?? '';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const { major: oldestMajor, minor: oldestMinor } = oldestReplicating;
  if (replicas === 1 || major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  throw new LogUnavailable(
    `NATS server ${version} may take conflicting appends to a stream with ${replicas} replicas; ` +
      `it needs ${oldestMajor}.${oldestMinor} or later, or replicas: 1`,
  );
}

async function findOrCreate(
  manager: JetStreamManager,
  config: Partial<StreamConfig> & { readonly name: string },
): Promise<StreamInfo> {
  const find = () => manager.streams.info(config.name);
  try {
    return await find();
  } catch {
    try {
      return await manager.streams.add(config);
    } catch (error) {
      // Another process may have created it meanwhile, with other settings.
      return await find().catch(() => {
        throw error;
      });
    }
  }
}
