import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { after, type TestContext } from 'node:test';
import { type NatsServer, startNatsServer } from '../nats-server.ts';
import { startPostgres } from '../postgres.ts';
import { startTcpProxy } from '../tcp-proxy.ts';
import { findTools, requireTool } from '../tool.ts';
import { eventLogContract } from './event-log.ts';
import { type NamelessArgument, openLog } from './event-log-nameless-client.ts';

// A log without names keeps every rule of a log, on an engine that appends as one and on one that does not.

async function onPostgres(t: TestContext) {
  const { connection } = await startPostgres(t);
  const direct = connection();
  const proxy = await startTcpProxy(t, { path: join(direct.host, `.s.PGSQL.${direct.port}`) });
  const argumentFor = (names: NamelessArgument['names']) =>
    JSON.stringify({ engine: 'postgres', log: JSON.stringify(names), names });
  const open = () => openLog(argumentFor({ ...direct, host: '127.0.0.1', port: proxy.port }));
  return {
    ...{ log: await open(), open, cut: proxy.cut },
    writer: {
      module: import.meta.resolve('./event-log-nameless-client.ts'),
      argument: argumentFor(direct),
    },
  };
}
eventLogContract('postgres without names', onPostgres, { appendsManyAtomically: true, faults: ['cut'] });

const program = findTools('nats-server').at(0);
let server: Promise<NatsServer> | undefined;
after(async () => (await server)?.stop());

async function onJetStream(t: TestContext) {
  if (program === undefined) {
    requireTool(t, 'nats-server');
    return undefined;
  }
  server ??= startNatsServer(program);
  const { port } = await server;
  const names = (await startPostgres(t)).connection();
  const log = JSON.stringify({ servers: [`127.0.0.1:${port}`], streamName: `log-${randomUUID()}` });
  const argument = JSON.stringify({ engine: 'jetstream', log, names });
  const open = () => openLog(argument);
  return {
    ...{ log: await open(), open },
    writer: { module: import.meta.resolve('./event-log-nameless-client.ts'), argument },
  };
}
eventLogContract('jetstream without names', onJetStream, { appendsManyAtomically: false, faults: [] });
