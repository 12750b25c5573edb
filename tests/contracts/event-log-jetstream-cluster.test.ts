import { randomUUID } from 'node:crypto';
import { after, type TestContext } from 'node:test';
import { connect, type NatsConnection } from 'nats';
import { freePort } from '../free-port.ts';
import { type NatsServer, natsVersion, startNatsServer } from '../nats-server.ts';
import { requireTool } from '../tool.ts';
import { until } from '../until.ts';
import { eventLogContract } from './event-log.ts';
import { openLog } from './event-log-jetstream-client.ts';

interface Cluster {
  readonly nodes: readonly NatsServer[];
  readonly nats: NatsConnection;
}

let cluster: Promise<Cluster> | undefined;
after(async () => {
  const started = await cluster;
  await started?.nats.close();
  await Promise.all(started?.nodes.map((node) => node.stop()) ?? []);
});

async function startCluster(program: string): Promise<Cluster> {
  const ports = await Promise.all([freePort(), freePort(), freePort()]);
  const routes = ports.map((port) => `"nats://127.0.0.1:${port}"`).join(', ');
  const settings = ports.map((port) => ({
    cluster: `cluster { name: shiplog, listen: "127.0.0.1:${port}", routes: [${routes}] }`,
  }));
  const nodes = await Promise.all(settings.map((setting) => startNatsServer(program, setting)));
  const servers = nodes.map(({ port }) => `127.0.0.1:${port}`);
  const nats = await connect({ servers, maxReconnectAttempts: -1 });
  await until('the cluster has a leader', async () => {
    try {
      await nats.jetstreamManager();
      return true;
    } catch {
      return false;
    }
  });
  return { nodes, nats };
}

/** Kills the leader of the stream, which is the node that knows what is being appended. */
async function restartLeader({ nodes, nats }: Cluster, streamName: string): Promise<void> {
  let leader: NatsServer | undefined;
  await until('the stream has a leader', async () => {
    try {
      const { cluster } = await (await nats.jetstreamManager()).streams.info(streamName);
      leader = nodes.find(({ port }) => cluster?.leader === `node${port}`);
    } catch {
      // It is being elected, and nobody answers meanwhile.
    }
    return leader !== undefined;
  });
  await leader?.restart();
}

const start = async (t: TestContext) => {
  const program = requireTool(t, 'nats-server');
  if (program === undefined) return undefined;
  if (natsVersion(program).number < 2011) {
    t.skip('a replicated stream needs nats-server 2.11, which this one is older than');
    return undefined;
  }
  cluster ??= startCluster(program);
  const running = await cluster;
  const streamName = `log-${randomUUID()}`;
  const servers = running.nodes.map(({ port }) => `127.0.0.1:${port}`);
  const argument = JSON.stringify({ servers, streamName, replicas: 3 });
  const open = () => openLog(argument);
  return {
    log: await open(),
    open,
    restartEngine: () => restartLeader(running, streamName),
    writer: { module: import.meta.resolve('./event-log-jetstream-client.ts'), argument },
  };
};

eventLogContract('jetstream with three replicas', start, {
  appendsManyAtomically: false,
  // A client of a cluster knows the other nodes, so a proxy cannot cut it off.
  faults: ['restart'],
});
