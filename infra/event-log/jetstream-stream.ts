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
 * one to what is asked for. @throws LogUnavailable when the stream that is there could lose events.
 */
export async function prepareStream(
  connection: JetStreamConnection,
  { streamName: name, replicas, duplicateWindowMs }: JetStreamLogOptions,
): Promise<{ readonly duplicateWindowMs: number }> {
  try {
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
    return { duplicateWindowMs: current.duplicate_window / 1_000_000 };
  } catch (error) {
    if (error instanceof LogUnavailable) throw error;
    throw new LogUnavailable(`the JetStream stream ${name} cannot be prepared`, { cause: error });
  }
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
