import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { startGateways } from '../gateways.ts';
import { type NatsServer, startNatsServer } from '../nats-server.ts';
import { connectNats } from '../nats-stream.ts';
import { environmentFor, type TestServer } from '../server.ts';
import { until } from '../until.ts';
import { type Expected, type Ledger, ledgerOf } from './ledger.ts';
import { ask, digestOf, type Image, insist, makeImage, pushImage, seeded } from './oci-client.ts';
import { consume, type Subscriber, subscribeToEvents } from './subscribers.ts';
import { receiveWebhooks, webhookSettings } from './webhook-subscriber.ts';

export interface NothingLostOptions {
  readonly pushes: number;
  readonly seed: number;
  /** The path of a NATS server. */
  readonly nats: string;
  report(line: string): void;
}

interface Push extends Expected {
  readonly type: string;
  readonly tag: string;
  readonly digest: string;
}

const clients = 5;
const repositories = ['app-0', 'app-1', 'app-2'];

/**
 * Pushes tags to two gateways while each process is killed again and again: a gateway, the worker, PostgreSQL, NATS. Ends
 * when every subscriber has everything, or has not come on for two minutes.
 */
export async function nothingLost(
  t: TestContext,
  { pushes, seed, nats: program, report }: NothingLostOptions,
): Promise<readonly Ledger[]> {
  const nats = await startNatsServer(program);
  t.after(() => nats.stop());
  const environment = {
    SHIPLOG_EVENTS_NATS_SERVERS: `nats://127.0.0.1:${nats.port}`,
    SHIPLOG_EVENTS_NATS_FROM: 'beginning',
    ...webhookSettings,
  };
  const installation = await startGateways(t, environment);
  const { one, other, openLog, postgresPid } = installation;
  const gateways = [one, other] as const;
  const worker = startWorker(t, { ...environmentFor(one.dataDirectory), ...installation.environment });
  const client = await connectNats(nats.port);
  t.after(() => client.close());
  const subscribers: readonly Subscriber[] = [
    subscribeToEvents(gateways),
    await consume(client, 'SHIPLOG_EVENTS'),
    await receiveWebhooks(t, one, repositories, seeded(seed + 2000)),
  ];
  const stop = async () => void (await Promise.all(subscribers.map((subscriber) => subscriber.stop())));
  t.after(stop);

  const begun = performance.now();
  const seconds = () => Math.round((performance.now() - begun) / 1000);
  const acknowledged: { readonly repository: string; readonly tag: string; readonly digest: string }[] = [];
  const pushing = Promise.all(
    Array.from({ length: clients }, (_, client) => {
      const random = seeded(seed + client);
      const count = Math.ceil(pushes / clients);
      return pushAll(eitherOf(gateways, random), { client, count, random }, (push) =>
        acknowledged.push(push),
      );
    }),
  );
  let hasFailed = false;
  pushing.catch(() => {
    hasFailed = true;
  });
  const kills = await killAll(
    { gateways, worker, nats, postgresPid },
    { pushes, seed, done: () => (hasFailed ? Number.POSITIVE_INFINITY : acknowledged.length) },
  );
  await pushing;
  report(`${acknowledged.length} pushes acknowledged after ${seconds()} s; killed ${kills}`);

  const log = await openLog();
  const events = await recorded(log);
  const told = new Set(events.map(({ repository, tag, digest }) => `${repository}:${tag}@${digest}`));
  for (const { repository, tag, digest } of acknowledged)
    assert.ok(told.has(`${repository}:${tag}@${digest}`), `the log has the push of ${repository}:${tag}`);

  const ledgers = () =>
    subscribers.map(({ name, expects, received }) => {
      const expected = events.filter(({ type }) => expects(type));
      return ledgerOf(name, expected, received);
    });
  await settled(() => ledgers().reduce((sum, { missing }) => sum + missing, 0));
  report(`the subscribers have been told after ${seconds()} s`);
  await stop();
  return [...ledgers(), await auditLedger(one, acknowledged)];
}

/** What has happened in repositories. */
async function recorded(log: Awaited<ReturnType<Awaited<ReturnType<typeof startGateways>>['openLog']>>) {
  const events: Push[] = [];
  for await (const batch of log.readAll(0n))
    for (const { id, type, data } of batch) {
      const { repository, tag, digest } = data as Partial<Push>;
      if (repository === undefined) continue;
      events.push({ id, type, repository, tag: tag ?? '', digest: digest ?? '' });
    }
  return events;
}

/** Resolves when nothing is missing, or when for two minutes nothing came. */
async function settled(missing: () => number): Promise<void> {
  let least = Number.POSITIVE_INFINITY;
  let since = performance.now();
  while (missing() > 0 && performance.now() - since < 120_000) {
    if (missing() < least) {
      least = missing();
      since = performance.now();
    }
    await pause(100);
  }
}

/** Every tag that was pushed is a row, by which the audit log is held to have each push. */
async function auditLedger(
  server: TestServer,
  acknowledged: readonly { readonly repository: string; readonly tag: string }[],
): Promise<Ledger> {
  const rows: string[] = [];
  // Harbor's list ends at 10,000 rows; this one does not.
  let path: string | undefined = '/api/v2.0/audit/entries?operation=create_artifact&order=oldest&limit=100';
  while (path !== undefined) {
    const page: string = path;
    const answer = await insist(() => ask(server, page));
    assert.equal(answer.status, 200, String(answer.body));
    const found = JSON.parse(answer.body.toString()) as { resource: string }[];
    rows.push(...found.map(({ resource }) => resource));
    path = /<([^>]*)>; rel="next"/.exec(answer.headers.get('link') ?? '')?.[1];
  }
  const expected = acknowledged.map(({ repository, tag }) => ({
    id: `${repository}:${tag}`,
    repository: '',
  }));
  const known = new Set(expected.map(({ id }) => id));
  // A push without an answer that was done again is two facts; the log has both.
  return {
    ...ledgerOf(
      'audit log',
      [...expected],
      [...new Set(rows)].filter((row) => known.has(row)),
    ),
    outOfOrder: 0,
  };
}

/** Everything is pushed under a tag of its own, by one client after the other. */
async function pushAll(
  server: TestServer,
  { client, count, random }: { readonly client: number; readonly count: number; random(): number },
  acknowledge: (push: { repository: string; tag: string; digest: string }) => void,
): Promise<void> {
  const base = makeImage(random, 1);
  for (let each = 0; each < count; each++) {
    const image = annotated(base, `${client} ${each}`);
    const repository = `library/${repositories[Math.floor(random() * repositories.length)]}`;
    const tag = `client-${client}-${each}`;
    await insist(() => pushImage(server, repository, tag, image), 300_000);
    acknowledge({ repository, tag, digest: image.digest });
  }
}

/** The same blobs, and a manifest of its own. */
function annotated(image: Image, text: string): Image {
  const manifest = JSON.stringify({ ...JSON.parse(image.manifest), annotations: { text } });
  return { ...image, manifest, digest: digestOf(manifest) };
}

/** Sends each request to one of the gateways, whichever the lot falls on. */
const eitherOf = (gateways: readonly [TestServer, TestServer], random: () => number): TestServer => ({
  ...gateways[0],
  fetch: (path, init) => gateways[random() < 0.5 ? 0 : 1].fetch(path, init),
});

interface Processes {
  readonly gateways: readonly [TestServer, TestServer];
  readonly worker: ReturnType<typeof startWorker>;
  readonly nats: NatsServer;
  postgresPid(): number;
}

/** Of each: how often in a round. */
const faults = ['gateway', 'nats', 'gateway', 'worker', 'postgres', 'gateway', 'both', 'nats'] as const;

/** Spreads the faults over the pushes; resolves to what it has done. */
async function killAll(
  { gateways, worker, nats, postgresPid }: Processes,
  { pushes, seed, done }: { readonly pushes: number; readonly seed: number; done(): number },
): Promise<string> {
  const random = seeded(seed + 1000);
  const count = Math.max(faults.length, Math.round(pushes / 150));
  const killed: Record<string, number> = {};
  const restart = async (gateway: TestServer) => {
    await gateway.stop('SIGKILL');
    await pause(random() * 500);
    await gateway.start();
  };
  for (let each = 0; each < count; each++) {
    const after = Math.floor(((each + random()) * pushes * 0.9) / count);
    await until(`${after} pushes are acknowledged`, () => done() >= after, 300_000);
    await pause(random() * 30);
    const fault = faults[each % faults.length] ?? 'gateway';
    killed[fault] = (killed[fault] ?? 0) + 1;
    if (fault === 'gateway') await restart(gateways[random() < 0.5 ? 0 : 1]);
    else if (fault === 'both') await Promise.all(gateways.map(restart));
    else if (fault === 'worker') await worker.kill();
    else if (fault === 'postgres') process.kill(postgresPid(), 'SIGKILL');
    else {
      const back = await nats.away();
      await pause(random() * 2000);
      await back();
    }
  }
  return Object.entries(killed)
    .map(([fault, times]) => `${fault} ${times} times`)
    .join(', ');
}

/** `shiplog worker`, which is started again whenever it has ended. */
function startWorker(t: TestContext, environment: NodeJS.ProcessEnv) {
  const program = new URL('../../bin/shiplog.ts', import.meta.url).pathname;
  let isOver = false;
  let child = launch();
  function launch() {
    const started = spawn(process.execPath, [program, 'worker'], { env: environment, stdio: 'ignore' });
    started.once('exit', async () => {
      await pause(500);
      if (!isOver) child = launch();
    });
    return started;
  }
  async function kill(): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
  t.after(async () => {
    isOver = true;
    await kill();
  });
  return { kill };
}
