import type { z } from 'zod';
import {
  choice,
  hostname,
  notUsed,
  notUsedSection,
  path,
  port,
  secret,
  section,
  text,
  whole,
} from '../fields.ts';

const idle = 'Idle connections are closed after a time that is not configurable.';

const pool = {
  max_open_conns: whole(
    'The most connections that the queries of one process share; 0, which means no limit to Harbor, is 10. To the built-in server at most 40.',
    0,
    10_000,
  )
    .default(10)
    .transform((most) => most || 10),
  wait_seconds: whole(
    'How long Shiplog waits at its start for a server that is not there yet, in seconds.',
    0,
    3600,
  ).default(10),
  max_idle_conns: notUsed(idle),
  conn_max_lifetime: notUsed('Connections are kept while they work.'),
  conn_max_idle_time: notUsed(idle),
};

const externalDatabase = (purpose: string) =>
  section(purpose, {
    host: hostname('The host of the PostgreSQL server; required.'),
    port: port('Its port.').default(5432),
    db_name: text('The database; required.'),
    username: text('The role to log in as; required.'),
    password: secret('The password of the role.').optional(),
    ssl_mode: choice(
      '`disable`: no TLS; `require`: TLS, with any certificate unless `ssl_ca` is given; `verify-ca`: one that a known authority signed; `verify-full`: and that names `host`.',
      ['disable', 'require', 'verify-ca', 'verify-full'],
    ).default('disable'),
    ssl_ca: path(
      'The authorities that sign the server’s certificate, a PEM file; without it those of the system.',
    ).optional(),
    ssl_cert: path('The certificate that Shiplog shows to the server, a PEM file.').optional(),
    ssl_key: path('The key of `ssl_cert`, a PEM file.').optional(),
    ...pool,
  });

export const databases = {
  database: section(
    'PostgreSQL for the views, and for the log when its engine is `postgres`. Without `url` and `external_database` Shiplog runs a server of its own in `data`.',
    {
      url: secret(
        'The PostgreSQL server to use, `postgres://role:password@host:port/database?sslmode=…`, instead of `external_database.harbor`.',
      ).optional(),
      password: notUsed('Nobody but Shiplog logs in to the built-in server.'),
      ...pool,
    },
  ).prefault({}),

  external_database: section('PostgreSQL servers that others run.', {
    harbor: externalDatabase(
      'The server for the views, and for the log unless `log` names another.',
    ).optional(),
    log: externalDatabase('The server for the event log, when it is not the one of the views.').optional(),
    notary_signer: notUsedSection('Notary v1 is gone; signatures are artifacts.', retiredDatabase()),
    notary_server: notUsedSection('Notary v1 is gone; signatures are artifacts.', retiredDatabase()),
    clair: notUsedSection('Clair is gone.', retiredDatabase()),
  }).prefault({}),
} satisfies z.core.$ZodShape;

function retiredDatabase(): string[] {
  const connection = ['host', 'port', 'db_name', 'username', 'password', 'ssl_mode'];
  return [...connection, 'max_idle_conns', 'max_open_conns'];
}
