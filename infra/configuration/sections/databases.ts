import type { z } from 'zod';
import {
  choice,
  duration,
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

const pool = {
  max_open_conns: whole(
    'The most connections that one process opens to it. 0, which means no limit to Harbor, is the default here.',
    0,
    10_000,
  )
    .default(10)
    .transform((most) => most || 10),
  conn_max_lifetime: duration('The age at which a connection is replaced; 0 for never.').prefault('0'),
  conn_max_idle_time: duration('How long a connection may be idle before it is closed; 0 for ever.').prefault(
    '30s',
  ),
  max_idle_conns: notUsed('Idle connections are closed by age (`conn_max_idle_time`), not by number.'),
  wait_seconds: whole(
    'How long a query waits at most for a connection, in seconds; 0 for ever.',
    0,
    3600,
  ).default(10),
};

const externalDatabase = (purpose: string) =>
  section(purpose, {
    host: hostname('The host of the PostgreSQL server; required.'),
    port: port('Its port.').default(5432),
    db_name: text('The database; required.'),
    username: text('The role to log in as; required.'),
    password: secret('The password of the role.').optional(),
    ssl_mode: choice(
      '`disable`: no TLS; `require`: TLS with any certificate; `verify-ca`: one that a known authority signed; `verify-full`: and that names `host`.',
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
