import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, type TestContext, test } from 'node:test';
import { assignTags } from '../commands/assign-tags.ts';
import { decision, recorder } from '../commands/record.ts';
import { catalogue } from '../domain/catalogue.ts';
import { digestFrom } from '../domain/digest.ts';
import { assigning, removingTag } from '../domain/tag/decider.ts';
import { newEventId } from '../infra/event-log/ids.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { openLog as openJetStream } from './contracts/event-log-jetstream-client.ts';
import { openLog as openPostgres } from './contracts/event-log-postgres-client.ts';
import { type NatsServer, startNatsServer } from './nats-server.ts';
import { startPostgres } from './postgres.ts';
import { requireTool } from './tool.ts';

const metadata = { actor: 'user:admin' };
const repository = 'library/hello';
const [first, second] = [digestFrom('sha256', '1'.repeat(64)), digestFrom('sha256', '2'.repeat(64))];
const unlocked = { refresh: async () => undefined, has: () => false };
const absent = { kind: 'absent' } as const;
const tagged = (tag: string, digest = second) =>
  decision(`tag/${repository}:${tag}`, assigning, { repository, tag, digest, isImmutable: false });
const untagged = (tag: string) =>
  decision(`tag/${repository}:${tag}`, removingTag, { repository, tag, isImmutable: false });

const recorderOf = (log: EventLog) => recorder({ log, catalogue, newEventId });

/** Records what `rival` does between the first decision and its append. */
function racing(log: EventLog, rival: (record: ReturnType<typeof recorderOf>) => Promise<unknown>) {
  let attempts = 0;
  const appendMany: EventLog['appendMany'] = async (appends) => {
    attempts += 1;
    if (attempts === 1) await rival(recorderOf(log));
    return log.appendMany(appends);
  };
  // An engine may be a class, whose methods are not its own properties.
  return recorderOf({ ...log, appendMany, readStream: log.readStream.bind(log) });
}

async function typesOf(log: EventLog, tag: string): Promise<string[]> {
  return (await log.readStream(`tag/${repository}:${tag}`)).events.map(({ type }) => type);
}

let nats: Promise<NatsServer> | undefined;
after(async () => (await nats)?.stop());

const engines: Record<string, (t: TestContext) => Promise<EventLog | undefined>> = {
  async postgres(t) {
    const { connection } = await startPostgres(t);
    return openPostgres(JSON.stringify(connection()));
  },
  async jetstream(t) {
    const program = requireTool(t, 'nats-server');
    if (program === undefined) return undefined;
    nats ??= startNatsServer(program);
    const servers = [`127.0.0.1:${(await nats).port}`];
    return openJetStream(JSON.stringify({ servers, streamName: `log-${randomUUID()}` }));
  },
};

for (const [engine, open] of Object.entries(engines)) {
  const start = async (t: TestContext) => {
    const log = await open(t);
    if (log !== undefined) t.after(() => log.close());
    return log;
  };

  test(`${engine}: tags that must be new are all set, though a rival interrupts after the first one`, async (t) => {
    const log = await start(t);
    if (log === undefined) return;
    const record = racing(log, async (rival) => {
      await rival(metadata, tagged('b'));
      await rival(metadata, untagged('b'));
    });
    const assigned = assignTags({
      repository,
      locked: unlocked,
      digest: first,
      tags: ['a', 'b'],
      condition: absent,
    });
    assert.deepEqual((await record(metadata, ...assigned)).states, [first, first]);
    assert.deepEqual(await typesOf(log, 'a'), ['TagAssigned']);
    assert.deepEqual((await record(metadata, ...assigned)).states, [first, first], 'recorded once more');
  });

  test(`${engine}: a tag that must be new is refused where a rival has set it, to whatever manifest`, async (t) => {
    const log = await start(t);
    if (log === undefined) return;
    for (const [tag, digest] of [
      ['c', first],
      ['d', second],
    ] as const) {
      const record = racing(log, (rival) => rival(metadata, tagged(tag, digest)));
      const assigned = assignTags({
        repository,
        locked: unlocked,
        digest: first,
        tags: [tag],
        condition: absent,
      });
      await assert.rejects(record(metadata, ...assigned), {
        reason: { kind: 'tag-condition-failed', repository, tag, digest: first, current: digest },
      });
      assert.deepEqual(await typesOf(log, tag), ['TagAssigned']);
    }
  });

  test(`${engine}: a rule that was made before a rival moved the tag counts for the attempt after that`, async (t) => {
    const log = await start(t);
    if (log === undefined) return;
    await recorderOf(log)(metadata, tagged('f', second));
    let isLocked = false;
    let known = false;
    const record = racing(log, async (rival) => {
      isLocked = true;
      await rival(metadata, untagged('f'));
      await rival(metadata, tagged('f', second));
    });
    const refresh = async () => {
      known = isLocked;
    };
    const assigned = assignTags({
      repository,
      locked: { refresh, has: () => known },
      digest: first,
      tags: ['f'],
    });
    await assert.rejects(record(metadata, ...assigned), {
      reason: { kind: 'tag-immutable', repository, tag: 'f', deed: 'move' },
    });
  });

  test(`${engine}: a tag that must be new and was set, removed and set by a rival is refused`, async (t) => {
    const log = await start(t);
    if (log === undefined) return;
    const assigned = assignTags({
      repository,
      locked: unlocked,
      digest: first,
      tags: ['e'],
      condition: absent,
    });
    const record = recorderOf(log);
    await record(metadata, ...assigned);
    await record(metadata, untagged('e'));
    await record(metadata, ...assigned);
    await record(metadata, untagged('e'));
    await record(metadata, tagged('e', first));
    await assert.rejects(record(metadata, ...assigned), {
      reason: { kind: 'tag-condition-failed', repository, tag: 'e', digest: first, current: first },
    });
  });
}
