import { StoreFull, StoreUnavailable } from '../infra/blob-store/port.ts';
import { DataDirectoryUnusable } from '../infra/data-directory/data-directory.ts';
import { DataDirectoryHeld } from '../infra/data-directory/hold.ts';
import { DatabaseUnavailable, DatabaseUnusable } from '../infra/database/outage.ts';
import { PostgresUnusable } from '../infra/database/postgres-binaries.ts';
import { LogUnavailable } from '../infra/event-log/port.ts';
import { SecretKeyUnusable } from '../infra/secrets/key-file.ts';
import { OtherSecretKey } from './token-keys.ts';

const explained = [
  DataDirectoryHeld,
  DataDirectoryUnusable,
  DatabaseUnavailable,
  DatabaseUnusable,
  PostgresUnusable,
  LogUnavailable,
  SecretKeyUnusable,
  OtherSecretKey,
  StoreFull,
  StoreUnavailable,
];

/** In one sentence why Shiplog cannot start, for what an operator can mend; undefined for a bug. */
export function startFailure(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, address, port, path } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  switch (code) {
    case 'EADDRINUSE':
      return `another program listens on ${address}:${port}; stop it, or set http.port (SHIPLOG_HTTP_PORT)`;
    case 'EACCES':
      if (port !== undefined)
        return `this user may not listen on ${address}:${port}; set http.port to one above 1023`;
      return `no access to ${path ?? 'a file'}`;
    case 'EADDRNOTAVAIL':
      return `this machine has no address ${address}; set http.address (SHIPLOG_HTTP_ADDRESS)`;
    case 'ENOENT':
      return `${path ?? 'a file'} does not exist`;
    case 'ENOSPC':
      return `no space left for ${path ?? 'a file'}`;
  }
  if (!explained.some((kind) => error instanceof kind)) return undefined;
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
