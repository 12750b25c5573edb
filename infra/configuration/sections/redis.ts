import { z } from 'zod';
import { flag, notUsed, path, port, secret, section, text, whole } from '../fields.ts';

const addressExpected = 'host:port, for sentinels several of them with commas';
const oneIndex = 'Shiplog keeps everything under `registry_db_index`.';

export const redis = {
  external_redis: section(
    'A Redis that several processes share what they count in, and that has the logins of browsers; while it is away Shiplog goes on without it, save for those.',
    {
      host: z
        .string({ error: addressExpected })
        .regex(/^[^\s,/@]+(\s*,\s*[^\s,/@]+)*$/, { error: addressExpected })
        .meta({
          description: 'The server, `host:port`; with `sentinel_master_set` the sentinels, with commas.',
        }),
      port: port('The port, where `host` has none; 6379 without it, 26379 for sentinels.').optional(),
      username: text('The user to log in as.').optional(),
      password: secret('The password.').optional(),
      sentinel_master_set: text('The name of the master set, where `host` names sentinels.').optional(),
      registry_db_index: whole('The number of the database.', 0, 1_000_000).default(1),
      tlsOptions: section('TLS to the server.', {
        enable: flag('Whether to use TLS.').default(false),
        rootCA: path(
          'The authorities that sign the server’s certificate, a PEM file; without it those of the system.',
        ).optional(),
      }).prefault({}),
      idle_timeout_seconds: notUsed('There is one connection, which is kept.'),
      jobservice_db_index: notUsed(oneIndex),
      trivy_db_index: notUsed(oneIndex),
      harbor_db_index: notUsed(oneIndex),
      cache_layer_db_index: notUsed(oneIndex),
      cache_db_index: notUsed(oneIndex),
      chartmuseum_db_index: notUsed(oneIndex),
      clair_db_index: notUsed(oneIndex),
    },
  ).optional(),

  rate_limit: section(
    'How many requests are answered before they are refused with 429; counted in `external_redis` where there is one.',
    {
      requests_per_second: whole(
        'How many requests a user or a robot account may make, or a client address without a login, per second on the average; 0 for no limit.',
        0,
        1_000_000,
      ).default(0),
      burst: whole('How many of them may come at once; 0 for those of ten seconds.', 0, 10_000_000).default(
        0,
      ),
      address_requests_per_second: whole(
        'How many requests a client address may make, whoever logs in there and before credentials are looked at; 0 for no limit.',
        0,
        1_000_000,
      ).default(0),
      address_burst: whole(
        'How many of them may come at once; 0 for those of ten seconds.',
        0,
        10_000_000,
      ).default(0),
    },
  ).prefault({}),
} satisfies z.core.$ZodShape;
