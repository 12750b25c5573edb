import type { z } from 'zod';
import { choice, secret, section, whole } from '../fields.ts';
import { natsConnection, streamName } from './nats.ts';

export const eventLog = {
  event_log: section('Where the events are recorded.', {
    engine: choice('The product that holds the event log.', [
      'postgres',
      'jetstream',
      'eventstoredb',
    ]).default('postgres'),
    jetstream: section('NATS JetStream, for the engine `jetstream`; its `max_payload` is 7 MiB or more.', {
      ...natsConnection,
      stream: streamName('The name of the JetStream stream.').default('SHIPLOG'),
      replicas: whole(
        'On how many servers every event is stored; without it 1 for a new stream, and as it is for one that exists.',
        1,
        5,
      ).optional(),
    }).optional(),
    eventstoredb: section(
      'EventStoreDB or KurrentDB, for the engine `eventstoredb`. EventStoreDB takes no event over its `MaxAppendSize`, ' +
        'by default 1 MiB, and pushes of manifests with more annotations than that are answered 413: set it to `8388608`.',
      { url: secret('The connection string, `esdb://user:password@host:2113?tls=true`.').optional() },
    ).optional(),
  }).prefault({}),
} satisfies z.core.$ZodShape;
