import {
  DiscardPolicy,
  type JetStreamManager,
  NatsError,
  nanos,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from 'nats';
import { StreamUnfit } from './port.ts';

export interface StreamSettings {
  /** Letters, digits, `-` and `_`. */
  readonly streamName: string;
  /** What all subjects begin with, without a dot at its end. */
  readonly subjectPrefix: string;
  readonly replicas: number;
  readonly maxAgeMs: number;
  /** -1 for no limit. */
  readonly maxBytes: number;
}

/** How long the server knows ids again. The publication does without, save where the end of the stream was purged. */
const duplicateWindowMs = 120_000;

const configurationOf = ({ subjectPrefix, replicas, maxAgeMs, maxBytes, streamName }: StreamSettings) =>
  ({
    name: streamName,
    description: 'Public events of Shiplog',
    subjects: [`${subjectPrefix}.>`],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    num_replicas: replicas,
    max_age: nanos(maxAgeMs),
    max_bytes: maxBytes,
    duplicate_window: nanos(Math.min(duplicateWindowMs, maxAgeMs)),
  }) satisfies Partial<StreamConfig>;

/** What an operator may have wanted otherwise, for which the publication is as exact. */
const negotiable = ['storage', 'discard', 'num_replicas', 'max_age', 'max_bytes'] as const;

export interface PreparedStream {
  readonly info: StreamInfo;
  /** What is otherwise than the configuration says, as sentences; it stays as it is. */
  readonly differences: readonly string[];
}

/** The stream, made where it is not there and left as it is where it is. @throws StreamUnfit */
export async function prepareStream(
  manager: JetStreamManager,
  settings: StreamSettings,
): Promise<PreparedStream> {
  const wanted = configurationOf(settings);
  const info = await findOrCreate(manager, wanted);
  const { config } = info;
  refuseUnfit(config, wanted);
  const differences = negotiable
    .filter((key) => config[key] !== wanted[key])
    .map(
      (key) =>
        `the JetStream stream ${config.name} has ${key}: ${config[key]} and not ${wanted[key]}; it stays as it is`,
    );
  return { info, differences };
}

function refuseUnfit(config: StreamConfig, { name, subjects }: { name: string; subjects: string[] }): void {
  const unfit = (what: string) =>
    new StreamUnfit(`the JetStream stream ${name} ${what}; give it another name or mend it`);
  // A message from elsewhere between two events would be in the way of each of them.
  if (config.subjects?.length !== 1 || config.subjects[0] !== subjects[0])
    throw unfit(`has other subjects than ${subjects[0]}`);
  if (config.mirror !== undefined || (config.sources?.length ?? 0) > 0) throw unfit('is fed by another one');
  if (config.no_ack) throw unfit('does not acknowledge what it stores');
  if (config.sealed) throw unfit('is sealed');
  if (config.retention !== RetentionPolicy.Limits) throw unfit('forgets what somebody has read');
}

async function findOrCreate(
  manager: JetStreamManager,
  config: Partial<StreamConfig> & { readonly name: string },
): Promise<StreamInfo> {
  try {
    return await manager.streams.info(config.name);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    // Another process that makes it now asks for the same, which is no error.
    return manager.streams.add(config);
  }
}

export const isNotFound = (error: unknown): boolean =>
  error instanceof NatsError && error.api_error?.code === 404;
