import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import type pg from 'pg';
import { DatabaseUnusable } from './outage.ts';

/** As `ssl_mode` in harbor.yml and `sslmode` of libpq. */
export const tlsModes = ['disable', 'require', 'verify-ca', 'verify-full'] as const;
export type TlsMode = (typeof tlsModes)[number];

export interface TlsOptions {
  /** `require` encrypts and, unless a `ca` is given, trusts anyone; `verify-full` also checks the host's name. */
  readonly mode: TlsMode;
  /** PEM. Without it the authorities that Node trusts count. */
  readonly ca?: string;
  /** PEM, of the client. */
  readonly cert?: string;
  /** PEM. */
  readonly key?: string;
  /** Overrides what `mode` says about the server's certificate. */
  readonly rejectUnauthorized?: boolean;
}

/** What node-postgres takes as `ssl`. */
export function tlsConfig(tls: TlsOptions): ConnectionOptions | false {
  if (tls.mode === 'disable') return false;
  // libpq does the same: an authority that is named is meant to be checked.
  const verifies = tls.mode !== 'require' || tls.ca !== undefined;
  return {
    rejectUnauthorized: tls.rejectUnauthorized ?? verifies,
    ...(tls.mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
  };
}

/** Where to connect to. */
export interface Target {
  readonly config: pg.ClientConfig;
  readonly database: string;
  readonly tls: TlsOptions | undefined;
}

/**
 * Reads `postgres://user:password@host:port/database?sslmode=…`. A folder with a Unix socket is given as `?host=/folder`;
 * `sslrootcert`, `sslcert` and `sslkey` name files.
 *
 * Read here and not by node-postgres, which lets the URL override the options that were given beside it and reads
 * `sslmode=require` as `verify-full`.
 * @throws DatabaseUnusable naming what is wrong, and never the password.
 */
export function parseDatabaseUrl(text: string): Target {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^postgres(?:ql)?:$/.test(url.protocol)) {
    throw new DatabaseUnusable(
      'the URL of the database is not of the form postgres://user:password@host:5432/database',
    );
  }
  const known = ['host', 'port', 'user', 'password', 'dbname', 'application_name', 'connect_timeout'];
  const tlsParameters = ['sslmode', 'sslrootcert', 'sslcert', 'sslkey'];
  for (const name of url.searchParams.keys()) {
    if (known.includes(name) || tlsParameters.includes(name)) continue;
    throw new DatabaseUnusable(`the URL of the database has an unknown parameter: ${name}`);
  }
  const parameter = (name: string) => url.searchParams.get(name) ?? undefined;
  const part = (value: string) => (value === '' ? undefined : decodeURIComponent(value));
  const user = parameter('user') ?? part(url.username);
  const database = parameter('dbname') ?? part(url.pathname.slice(1)) ?? user;
  if (database === undefined) throw new DatabaseUnusable('the URL of the database names no database');
  return {
    database,
    tls: tlsOfUrl(parameter),
    config: {
      host: parameter('host') ?? part(url.hostname.replace(/^\[(.*)\]$/, '$1')) ?? 'localhost',
      port: Number(parameter('port') ?? (url.port || 5432)),
      user,
      password: parameter('password') ?? part(url.password),
      database,
    },
  };
}

function tlsOfUrl(parameter: (name: string) => string | undefined): TlsOptions | undefined {
  const sslmode = parameter('sslmode');
  if (sslmode === undefined) return undefined;
  const mode = tlsModes.find((known) => known === sslmode);
  if (mode === undefined) {
    throw new DatabaseUnusable(
      `the URL of the database has sslmode=${sslmode}; known are ${tlsModes.join(', ')}`,
    );
  }
  const file = (name: 'sslrootcert' | 'sslcert' | 'sslkey') => {
    const path = parameter(name);
    try {
      return path === undefined ? undefined : readFileSync(path, 'utf8');
    } catch (error) {
      throw new DatabaseUnusable(`${name} of the database cannot be read: ${(error as Error).message}`, {
        cause: error,
      });
    }
  };
  const [ca, cert, key] = [file('sslrootcert'), file('sslcert'), file('sslkey')];
  return {
    mode,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}
