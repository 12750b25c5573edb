import { z } from 'zod';
import { choice, list, path, secret, section, text, whole } from '../fields.ts';

const server = z.string({ error: 'nats://host:port' }).regex(/^((nats|tls|ws|wss):\/\/)?[^\s/@]+\/?$/, {
  error: 'nats://host:port, with user and password in keys of their own',
});

const streamExpected = 'letters, digits, - and _';

export const eventLog = {
  event_log: section('Where the events are recorded.', {
    engine: choice('The product that holds the event log.', [
      'postgres',
      'jetstream',
      'eventstoredb',
    ]).default('postgres'),
    jetstream: section('NATS JetStream, for the engine `jetstream`; its `max_payload` is 7 MiB or more.', {
      servers: list('The servers, `nats://host:port`; `tls://` for TLS.', server).optional(),
      stream: text('The name of the JetStream stream.', streamExpected)
        .regex(/^[A-Za-z0-9_-]+$/, { error: streamExpected })
        .default('SHIPLOG'),
      replicas: whole(
        'On how many servers every event is stored; without it 1 for a new stream, and as it is for one that exists.',
        1,
        5,
      ).optional(),
      user: text('The user to log in as.').optional(),
      password: secret('The password of `user`.').optional(),
      token: secret('A token, instead of user and password.').optional(),
      creds: path('A credentials file (`.creds`), instead of user and password.').optional(),
      tls: section('Certificates for TLS.', {
        ca: path(
          'The authorities that sign the servers’ certificates, a PEM file; without it those of the system.',
        ).optional(),
        cert: path('The certificate that Shiplog shows to the servers, a PEM file.').optional(),
        key: path('The key of `cert`, a PEM file.').optional(),
      }).optional(),
    }).optional(),
    eventstoredb: section(
      'EventStoreDB or KurrentDB, for the engine `eventstoredb`. EventStoreDB takes no event over its `MaxAppendSize`, ' +
        'by default 1 MiB, and pushes of manifests with more annotations than that are answered 413: set it to `8388608`.',
      { url: secret('The connection string, `esdb://user:password@host:2113?tls=true`.').optional() },
    ).optional(),
  }).prefault({}),
} satisfies z.core.$ZodShape;
