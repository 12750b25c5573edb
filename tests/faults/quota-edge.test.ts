import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { catalogue, upcast } from '../../domain/catalogue.ts';
import { recountOf } from '../../domain/quota/recount.ts';
import type { EventLog } from '../../infra/event-log/port.ts';
import { startGateways } from '../gateways.ts';
import { ask, createdId, json } from '../http/api-client.ts';
import { type Answer, digestOf, pushBlob, refusalOf, send, type Target } from '../http/client.ts';
import { tokenFor } from '../http/token-client.ts';
import { until } from '../until.ts';

const size = 1000;
const many = 1000;
const blobOf = (mark: string): Buffer => Buffer.alloc(size, `${mark} `);

const limited = async (target: Target, name: string, storage_limit: number): Promise<number> =>
  createdId(await ask(target, 'POST', '/projects', { body: { project_name: name, storage_limit } }));
const usedBy = async (target: Target, id: number): Promise<number> =>
  json(await ask(target, 'GET', `/quotas/${id}`)).used.storage;

async function upload(target: Target, repository: string, blob: Buffer): Promise<Answer> {
  const { headers } = await send(target, 'POST', `/v2/${repository}/blobs/uploads/`);
  const close = () => send(target, 'PUT', `${headers.location}?digest=${digestOf(blob)}`, { body: blob });
  // As clients do that are told to come again, which is what they are told while others may not need their room.
  let answer = await close();
  for (let n = 0; answer.status === 503 && n < 12; n += 1) {
    assert.equal(answer.headers['retry-after'], '5');
    await sleep(5000);
    answer = await close();
  }
  return answer;
}

async function recounted(log: EventLog, project: string): Promise<number> {
  const recount = recountOf(project);
  const head = await log.head();
  for await (const batch of log.readAll(0n)) {
    for (const event of batch) recount.add(upcast(catalogue, event));
    if ((batch.at(-1)?.position ?? head) >= head) break;
  }
  return recount.bytes;
}

/** The bytes that the explanation of a quota comes to. */
async function explained(target: Target, id: number): Promise<number> {
  const parts: readonly { readonly bytes: number }[] = json(
    await ask(target, 'GET', `/quotas/${id}/explain`),
  );
  return parts.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** The bytes of all finished blobs of a store, whoever they belong to. */
async function storedIn(root: string): Promise<number> {
  const entries = await readdir(join(root, 'blobs'), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(files.map(({ parentPath, name }) => stat(join(parentPath, name))));
  return sizes.reduce((sum, { size: bytes }) => sum + bytes, 0);
}

/** Each answers in the end what it was asked, or that there is no room. */
function tally(answers: readonly Answer[]): { readonly stored: number; readonly refused: number } {
  const stored = answers.filter(({ status }) => status === 201).length;
  for (const answer of answers.filter(({ status }) => status !== 201))
    assert.deepEqual(refusalOf(answer), [403, 'DENIED']);
  return { stored, refused: answers.length - stored };
}

test('a thousand pushes by two gateways at the edge of a limit fill it and never pass it', async (t) => {
  const gateways = await startGateways(t);
  const { one, other } = gateways;
  const log = await gateways.openLog();
  const room = 100;
  const id = await limited(one, 'edge', room * size + size / 2);

  let highest = 0;
  const pushing = new AbortController();
  const watching = watch();
  const answers = await Promise.all(
    Array.from({ length: many }, (_, n) =>
      upload(n % 2 === 0 ? one : other, `edge/${n % 7}`, blobOf(`edge ${n}`)),
    ),
  );
  pushing.abort();
  await watching;

  t.diagnostic(`at most ${highest} bytes were shown`);
  const { stored } = tally(answers);
  assert.equal(stored, room, 'all the room is used, and no more');
  assert.ok(highest <= room * size);
  for (const gateway of [one, other]) assert.equal(await usedBy(gateway, id), room * size);
  assert.equal(await recounted(log, 'edge'), room * size);
  assert.equal(await explained(one, id), room * size);
  assert.equal(await storedIn(gateways.blobs), room * size);

  await t.test('the same blob a hundred times needs room for one', async () => {
    const shared = await limited(one, 'shared', size);
    const same = await Promise.all(
      Array.from({ length: 100 }, (_, n) => upload(n % 2 === 0 ? one : other, `shared/${n}`, blobOf('same'))),
    );
    assert.equal(tally(same).stored, 100);
    assert.equal(await usedBy(one, shared), size);
  });

  await t.test('room that one gateway has claimed and does not need goes to the other', async () => {
    const wide = await limited(one, 'wide', 20 * size);
    await pushBlob(one, 'wide/a', blobOf('first'));
    const answers = await Promise.all(
      Array.from({ length: 19 }, (_, n) => upload(other, 'wide/a', blobOf(`next ${n}`))),
    );
    assert.equal(tally(answers).stored, 19);
    assert.equal(await usedBy(one, wide), 20 * size);
  });

  await t.test(
    'a token costs no more beside pushes into a project with a limit than beside others',
    async () => {
      await limited(one, 'counted', 1e9);
      await limited(one, 'boundless', -1);
      const [without, within] = [await tokenMsBeside('boundless'), await tokenMsBeside('counted')];
      t.diagnostic(`a token takes ${without} ms beside pushes, and ${within} ms where they are counted`);
      assert.ok(within < 3 * without + 100);
    },
  );

  /** The median, beside a hundred clients that push. */
  async function tokenMsBeside(project: string): Promise<number> {
    const stop = new AbortController();
    const load = Array.from({ length: 100 }, async (_, n) => {
      for (let m = 0; !stop.signal.aborted; m += 1)
        await upload(one, `${project}/${n}`, blobOf(`${project} ${n} ${m}`));
    });
    await sleep(1000);
    const times: number[] = [];
    for (let n = 0; n < 15; n += 1) {
      const startedAt = performance.now();
      await tokenFor(one, `${project}/a`, 'pull');
      times.push(performance.now() - startedAt);
    }
    stop.abort();
    await Promise.all(load);
    return Math.round(times.toSorted((a, b) => a - b)[7] ?? 0);
  }

  async function watch(): Promise<void> {
    while (!pushing.signal.aborted) {
      highest = Math.max(highest, await usedBy(one, id));
      await sleep(100);
    }
  }
});

test('what a gateway had claimed when it was killed can be used again, and nothing is counted that is not there', async (t) => {
  const gateways = await startGateways(t);
  const { one, other } = gateways;
  const room = 200;
  const id = await limited(one, 'killed', room * size);
  const pushes = Array.from({ length: room }, (_, n) =>
    upload(one, 'killed/a', blobOf(`killed ${n}`)).then(
      ({ status }) => status,
      () => 'no answer',
    ),
  );
  await until('some are stored', async () => (await usedBy(other, id)) > 0);
  await one.stop('SIGKILL');
  await Promise.all(pushes);
  const used = await usedBy(other, id);
  assert.equal(used, await recounted(await gateways.openLog(), 'killed'));

  const left = room - used / size;
  t.diagnostic(`${used / size} were stored`);
  // Until the claim has ended some of it waits, and none is refused for good.
  const later = await Promise.all(
    Array.from({ length: left }, (_, n) => upload(other, 'killed/b', blobOf(`later ${n}`))),
  );
  assert.equal(tally(later).stored, left);
  assert.equal(await usedBy(other, id), room * size);
  assert.deepEqual(refusalOf(await upload(other, 'killed/b', blobOf('one more'))), [403, 'DENIED']);
});
