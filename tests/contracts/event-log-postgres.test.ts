import { once } from 'node:events';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import pg from 'pg';
import type { PostgresConnection } from '../../infra/database/embedded-postgres.ts';
import { startPostgres } from '../postgres.ts';
import { startTcpProxy } from '../tcp-proxy.ts';
import { until } from '../until.ts';
import { eventLogContract } from './event-log.ts';
import { openLog } from './event-log-postgres-client.ts';

async function start(t: TestContext) {
  const { server, connection } = await startPostgres(t);
  const direct = connection();
  const proxy = await startTcpProxy(t, { path: join(direct.host, `.s.PGSQL.${direct.port}`) });
  const argument = JSON.stringify({ ...direct, host: '127.0.0.1', port: proxy.port });
  return {
    log: await openLog(argument),
    open: () => openLog(argument),
    cut: proxy.cut,
    writer: {
      module: import.meta.resolve('./event-log-postgres-client.ts'),
      argument: JSON.stringify(direct),
    },
    async restartEngine() {
      const killed = server.pid();
      process.kill(killed, 'SIGKILL');
      // Its supervisor starts it again.
      await until('PostgreSQL runs again', async () => server.pid() !== killed && (await answers(direct)));
    },
  };
}

async function answers(connection: PostgresConnection): Promise<boolean> {
  const client = new pg.Client(connection);
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
    return true;
  } catch {
    return false;
  } finally {
    const ended = once(client, 'end');
    await client.end();
    await ended.catch(() => undefined);
  }
}

eventLogContract('postgres', start, { appendsManyAtomically: true, faults: ['restart', 'cut'] });
