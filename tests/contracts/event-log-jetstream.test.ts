import { randomUUID } from 'node:crypto';
import { after, type TestContext } from 'node:test';
import { type NatsServer, natsVersion, startNatsServer } from '../nats-server.ts';
import { startTcpProxy } from '../tcp-proxy.ts';
import { findTools, requireTool } from '../tool.ts';
import { eventLogContract } from './event-log.ts';
import { openLog } from './event-log-jetstream-client.ts';

// Every server on this machine, since Debian's is years older than the current one.
for (const program of findTools('nats-server')) {
  let server: Promise<NatsServer> | undefined;
  after(async () => (await server)?.stop());

  const start = async (t: TestContext) => {
    server ??= startNatsServer(program);
    const { port, restart } = await server;
    const proxy = await startTcpProxy(t, { port, host: '127.0.0.1' });
    const streamName = `log-${randomUUID()}`;
    const argumentFor = (port: number) => JSON.stringify({ servers: [`127.0.0.1:${port}`], streamName });
    const open = () => openLog(argumentFor(proxy.port));
    return {
      log: await open(),
      open,
      restartEngine: restart,
      cut: proxy.cut,
      writer: {
        module: import.meta.resolve('./event-log-jetstream-client.ts'),
        argument: argumentFor(port),
      },
    };
  };
  eventLogContract(`jetstream on nats-server ${natsVersion(program).text}`, start, {
    appendsManyAtomically: false,
    faults: ['restart', 'cut'],
  });
}

if (findTools('nats-server').length === 0)
  eventLogContract(
    'jetstream',
    async (t) => {
      requireTool(t, 'nats-server');
      return undefined;
    },
    { appendsManyAtomically: false, faults: ['restart', 'cut'] },
  );
