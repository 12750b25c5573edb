import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { AuditRecord } from '../domain/audit/record.ts';
import { catalogue, currentVersion } from '../domain/catalogue.ts';
import { openTarget, type TargetSettings } from '../infra/audit-targets/open.ts';
import { type AuditTarget, TargetUnavailable } from '../infra/audit-targets/port.ts';
import { syslogTarget } from '../infra/audit-targets/syslog.ts';
import { rfc5424 } from '../infra/audit-targets/syslog-message.ts';
import { postgresCheckpoints } from '../infra/checkpoints/postgres.ts';
import { aloneIn } from '../infra/database/alone.ts';
import { connectDatabase } from '../infra/database/connect.ts';
import { newEventId } from '../infra/event-log/ids.ts';
import { openPostgresLog } from '../infra/event-log/postgres.ts';
import { postgresForwardingState } from '../infra/forwarding-state/postgres.ts';
import type { Following } from '../workers/follow-log.ts';
import { type ForwardPorts, followerOf, keepForwarding } from '../workers/forward-audit.ts';
import { type HttpReceiver, startHttpReceiver } from './http-receiver.ts';
import { startPostgres } from './postgres.ts';
import { framesIn, parseRfc5424, startSyslogReceiver } from './syslog-receiver.ts';
import { until } from './until.ts';

const origin = { hostname: 'registry.example.com', version: '1.2.3' };
const plain: TargetSettings = {
  type: 'http',
  url: '',
  tls: { verify: true },
  token: undefined,
  username: undefined,
  password: undefined,
  signingSecret: undefined,
  index: undefined,
  format: 'json',
  acknowledged: false,
  gzip: false,
  timeoutMs: 2000,
};

interface Forwarder extends Following {
  readonly forwarded: () => number;
  readonly failures: readonly string[];
  readonly refused: readonly string[];
}

/** A log, and what follows it. */
async function startLog(t: TestContext) {
  const { connection } = await startPostgres(t);
  const database = await connectDatabase({ connection: connection(), poolSize: 8, waitMs: 30_000 });
  t.after(() => database.close());
  const log = await openPostgresLog(database);
  t.after(() => log.close());
  const checkpoints = postgresCheckpoints(database);
  const state = postgresForwardingState(database);
  const version = currentVersion(catalogue, 'LoginSucceeded');

  return {
    log,
    state,
    position: async () => checkpoints.read(followerOf('siem')),

    /** Records logins of users of these names in one append; resolves to the ids of the events. */
    async logins(...usernames: readonly string[]): Promise<readonly string[]> {
      const events = usernames.map((username) => ({
        id: newEventId(),
        type: 'LoginSucceeded',
        version,
        data: { kind: 'user', username },
        metadata: { actor: `user:${username}` },
      }));
      await log.append('logins/test', 'any', events);
      return events.map(({ id }) => id);
    },

    /** As in a process of its own. */
    async forward(open: () => AuditTarget, more: Partial<ForwardPorts> = {}): Promise<Forwarder> {
      const own = await connectDatabase({ connection: connection(), poolSize: 2, waitMs: 30_000 });
      const failures: string[] = [];
      const refused: string[] = [];
      let forwarded = 0;
      const following = keepForwarding({
        ...{ log, catalogue, checkpoints, state, name: 'siem' },
        alone: aloneIn(own, followerOf('siem')),
        first: async () => 0n,
        destination() {
          const target = open();
          return {
            target: async () => target,
            chosen: async (records) => records,
            close: () => target.close(),
          };
        },
        robotPrefix: async () => 'robot$',
        batch: { records: 5, bytes: 100_000 },
        onForwarded(records) {
          forwarded += records;
        },
        onFailure: (error) => failures.push((error as Error).message),
        onRefused: ({ eventId }) => refused.push(eventId),
        ...more,
      });
      const stop = async () => {
        await following.stop();
        await own.close();
      };
      t.after(stop);
      return { ...following, stop, forwarded: () => forwarded, failures, refused };
    },
  };
}

const idsIn = ({ requests }: HttpReceiver): readonly string[] =>
  requests.flatMap(({ body }) => JSON.parse(body).map(({ event_id }: { event_id: string }) => event_id));
const names = (many: number, of = 'user') => Array.from({ length: many }, (_, nth) => `${of}${nth}`);
const over = (receiver: HttpReceiver) => () => openTarget({ ...plain, url: receiver.url }, origin);

test('what is recorded is sent in its order, in bounded batches, and once it was taken never again, wherever the target is by then', async (t) => {
  const { log, logins, forward, position } = await startLog(t);
  const receiver = await startHttpReceiver(t);
  const first = await logins(...names(12));
  const forwarder = await forward(over(receiver));
  await until('all has been sent', () => forwarder.forwarded() === 12);
  assert.deepEqual(idsIn(receiver), first);
  assert.deepEqual(
    receiver.requests.map(({ body }) => JSON.parse(body).length),
    [5, 5, 2],
  );
  await forwarder.stop();
  const second = await logins('later');
  const moved = await startHttpReceiver(t);
  const again = await forward(over(moved));
  await until('that has been sent', () => again.forwarded() === 1);
  assert.deepEqual([idsIn(receiver), idsIn(moved)], [first, second]);
  await until('it is noted', async () => (await position()) === (await log.head()));
});

test('a slow target has one batch at a time, which has no more bytes than it may', async (t) => {
  const { logins, forward } = await startLog(t);
  let open = 0;
  let most = 0;
  const receiver = await startHttpReceiver(t, async () => {
    open += 1;
    most = Math.max(most, open);
    await pause(100);
    open -= 1;
    return {};
  });
  const ids = await logins(...names(10));
  const forwarder = await forward(over(receiver), { batch: { records: 100, bytes: 2000 } });
  await until('all has been sent', () => forwarder.forwarded() === 10);
  assert.deepEqual(idsIn(receiver), ids);
  assert.equal(most, 1);
  assert.ok(receiver.requests.every(({ body }) => body.length < 2000));
  assert.ok(receiver.requests.length < 10);
});

test('events that the audit log does not tell of, or that are not chosen, are passed by', async (t) => {
  const { log, logins, forward, position } = await startLog(t);
  const receiver = await startHttpReceiver(t);
  const isChosen = ({ resource }: AuditRecord) => resource !== 'nobody';
  const forwarder = await forward(over(receiver), {
    destination: () => {
      const target = over(receiver)();
      return {
        target: async () => target,
        chosen: async (records) => records.filter(isChosen),
        close: () => target.close(),
      };
    },
  });
  const [id] = await logins('somebody', 'nobody');
  const warned = { type: 'CredentialUsed', version: currentVersion(catalogue, 'CredentialUsed') };
  const data = { kind: 'robot', id: 1, usedAt: '2026-05-04T03:02:01.000Z' };
  const metadata = { actor: 'system' };
  await log.append('untold', 'any', [{ ...warned, id: newEventId(), data, metadata }]);
  await until('it is noted', async () => (await position()) === (await log.head()));
  assert.deepEqual(idsIn(receiver), [id]);
  assert.equal(forwarder.forwarded(), 1);
});

test('while the target is away nothing is passed over, and when it is back all comes', async (t) => {
  const { logins, forward, position, state } = await startLog(t);
  const receiver = await startHttpReceiver(t);
  const before = await logins(...names(3));
  const forwarder = await forward(over(receiver));
  await until('some is sent', () => forwarder.forwarded() === 3);
  await until('it is noted', async () => (await position()) === 3n);
  await receiver.stop();
  const during = await logins(...names(20));
  await until('it has failed', () => forwarder.failures.length > 1);
  assert.match(forwarder.failures[0] ?? '', /ECONNREFUSED|socket hang up/);
  assert.match((await state.all()).get('siem')?.lastError ?? '', /ECONNREFUSED|socket hang up/);
  assert.equal(await position(), 3n);
  await receiver.start();
  await until('all has been sent', () => forwarder.forwarded() === 23, 60_000);
  assert.deepEqual(idsIn(receiver), [...before, ...during]);
});

test('who asks to be left alone is, and a server without an answer is asked again', async (t) => {
  const { logins, forward } = await startLog(t);
  const at: number[] = [];
  const receiver = await startHttpReceiver(t, () => {
    at.push(performance.now());
    if (at.length === 1) return { status: 429, headers: { 'retry-after': '2' } };
    if (at.length === 2) return { status: 503 };
    return at.length === 3 ? 'nothing' : {};
  });
  const ids = await logins('ann');
  const forwarder = await forward(over(receiver));
  await until('it has been taken', () => forwarder.forwarded() === 1, 60_000);
  // A timer may ring a millisecond early.
  assert.ok((at[1] ?? 0) - (at[0] ?? 0) >= 1990);
  assert.deepEqual([...new Set(idsIn(receiver))], ids);
  assert.equal(forwarder.failures.length, 3);
});

test('one record that is refused is tried again, put aside, and keeps nobody back', async (t) => {
  const { log, logins, forward, position, state } = await startLog(t);
  let poison = '';
  const taken: string[] = [];
  const receiver = await startHttpReceiver(t, ({ body }) => {
    if (body.includes(poison)) return { status: 400, body: 'cannot be parsed' };
    taken.push(...JSON.parse(body).map(({ event_id }: { event_id: string }) => event_id));
    return {};
  });
  const ids = await logins(...names(9));
  poison = ids[6] ?? '';
  const forwarder = await forward(over(receiver));
  await until('it is noted', async () => (await position()) === (await log.head()));
  assert.deepEqual(taken, ids.toSpliced(6, 1));
  assert.deepEqual(forwarder.refused, [poison]);
  const [aside, ...more] = await state.refusedBy('siem', 10);
  assert.deepEqual(more, []);
  assert.deepEqual([aside?.id, aside?.position, aside?.reason], [poison, 7n, '400 cannot be parsed']);
  assert.equal((await state.all()).get('siem')?.refused, 1);
  const alone = receiver.requests.filter(
    ({ body }) => JSON.parse(body).length === 1 && body.includes(poison),
  );
  assert.ok(alone.length >= 3);
});

test('a target that refuses everything is not believed: little is put aside, and it comes when it is taken', async (t) => {
  const { log, logins, forward, position, state } = await startLog(t);
  const receiver = await startHttpReceiver(t, () => ({ status: 400, body: 'wrong index' }));
  const ids = await logins(...names(30));
  const forwarder = await forward(over(receiver), { batch: { records: 30, bytes: 100_000 } });
  const isStuck = () => forwarder.failures.some((message) => message.startsWith('it refuses whatever'));
  await until('it waits', isStuck, 60_000);
  assert.equal((await state.all()).get('siem')?.refused, 10);
  assert.equal(await position(), 0n);
  receiver.answer(() => ({}));
  await until('it is noted', async () => (await position()) === (await log.head()), 60_000);
  const taken = new Set(idsIn(receiver));
  assert.ok(ids.every((id) => taken.has(id)));
  assert.equal((await state.all()).get('siem')?.refused, 0);
});

test('of two processes one sends, and the other goes on when it is gone', async (t) => {
  const { logins, forward } = await startLog(t);
  const receiver = await startHttpReceiver(t);
  const both = [await forward(over(receiver)), await forward(over(receiver))];
  const ids = [...(await logins(...names(7)))];
  await until('all has been sent', () => new Set(idsIn(receiver)).size === 7);
  const sending = both.filter((each) => each.forwarded() > 0);
  assert.equal(sending.length, 1);
  await sending[0]?.stop();
  ids.push(...(await logins('later')));
  await until('the other has sent', () => idsIn(receiver).length === 8, 60_000);
  assert.deepEqual(idsIn(receiver), ids);
});

test('what went over a connection of syslog that was lost is sent again from the checkpoint', async (t) => {
  const { log, logins, forward, position } = await startLog(t);
  const receiver = await startSyslogReceiver(t);
  const form = rfc5424('json', origin);
  const open = () =>
    syslogTarget({
      ...{ host: '127.0.0.1', port: receiver.port, tls: undefined, timeoutMs: 2000, form },
      ...{ settleMs: 300, sessionMs: 1000 },
    });
  const received = () =>
    receiver.read.flatMap((bytes) =>
      framesIn(bytes).frames.map((frame) => parseRfc5424(frame).structured['shiplog@32473']?.id),
    );
  const forwarder = await forward(open);
  const ids = [...(await logins(...names(12)))];
  await until('all was read', () => received().length === 12);
  assert.equal(await position(), 0n);
  await receiver.kill();
  ids.push(...(await logins('meanwhile')));
  await until('it has failed', () => forwarder.failures.length > 0);
  await receiver.start();
  await until('it is noted', async () => (await position()) === (await log.head()), 60_000);
  assert.deepEqual([...new Set(received())], ids);
  assert.ok(received().length >= 25);
});

test('when what was sent is lost, that is what is told, whatever waits for the target meanwhile', async (t) => {
  const { logins, forward } = await startLog(t);
  const { promise: settled, reject: lose } = Promise.withResolvers<void>();
  settled.catch(() => undefined);
  let sent = 0;
  const target: AuditTarget = {
    async send() {
      sent += 1;
      if (sent > 1) throw new TargetUnavailable('it is busy');
      return { refused: [], settled };
    },
    close: () => undefined,
  };
  await logins(...names(10));
  const forwarder = await forward(() => target);
  await until('the second batch waits', () => forwarder.failures.length === 1);
  lose(new TargetUnavailable('the connection was closed'));
  await until('the loss is told', () => forwarder.failures.length > 1);
  const [first, second] = forwarder.failures;
  assert.deepEqual([first, second], ['it is busy', 'the connection was closed']);
});

test('who takes everything and ends the connection by himself is not believed, and not hurried', async (t) => {
  const { logins, forward, position } = await startLog(t);
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.on('error', () => undefined).once('data', () => socket.end());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(async () => void server.close());
  const { port } = server.address() as AddressInfo;
  const form = rfc5424('json', origin);
  await logins('ann');
  const forwarder = await forward(() =>
    syslogTarget({ host: '127.0.0.1', port, tls: undefined, timeoutMs: 2000, form, settleMs: 1000 }),
  );
  await until('it has been tried some times', () => forwarder.failures.length >= 3, 60_000);
  assert.ok(forwarder.failures.every((message) => message.includes('ended the connection')));
  assert.ok(connections <= forwarder.failures.length + 1);
  assert.equal(await position(), 0n);
});
