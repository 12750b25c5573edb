import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { uploadSlots } from '../../gateway/oci/upload-slots.ts';
import { startServer } from '../server.ts';
import { addUser } from './accounts.ts';
import { digestOf, header, refusalOf, send } from './client.ts';

const limit = 5;
const server = await startServer({ after }, { environment: { SHIPLOG_UPLOADS_MAX_OPEN: String(limit) } });
const uploads = '/v2/library/limit/blobs/uploads/';
const open = (as?: string) => send(server, 'POST', uploads, as === undefined ? {} : { as });
const folders = async () => (await readdir(join(server.dataDirectory, 'blobs', 'uploads'))).length;
const other = await addUser({ after }, server, { username: 'other', userId: 2, administrator: true });

test('one upload too many is refused until one of them is over, however it ends', async () => {
  const locations: string[] = [];
  for (let count = 0; count < limit; count++) locations.push(header(await open(), 'location'));
  const full = async () => {
    const refused = await open();
    assert.deepEqual(refusalOf(refused), [429, 'TOOMANYREQUESTS']);
    assert.match(header(refused, 'retry-after'), /^[1-9]\d*$/);
    assert.equal(await folders(), limit, 'a refused upload leaves nothing behind');
  };
  const endings: ((location: string) => Promise<{ status: number }>)[] = [
    (location) => send(server, 'DELETE', location),
    (location) => send(server, 'PUT', `${location}?digest=${digestOf('abc')}`, { body: 'abc' }),
    (location) => send(server, 'PUT', `${location}?digest=${digestOf('abc')}`, { body: 'others' }),
  ];
  for (const [index, status] of [204, 201, 400].entries()) {
    await full();
    assert.equal((await endings[index]?.(locations[index] ?? ''))?.status, status);
    const opened = await open();
    assert.equal(opened.status, 202);
    locations.push(header(opened, 'location'));
  }
  await full();

  const theirs = await open(other);
  assert.equal(theirs.status, 202, 'another account has uploads of its own');
  await send(server, 'DELETE', header(theirs, 'location'), { as: other });
  const single = await send(server, 'POST', `${uploads}?digest=${digestOf('x')}`, { body: 'x' });
  assert.equal(single.status, 201, 'a push in one request opens no upload');
  assert.equal((await send(server, 'PATCH', locations.at(-1) ?? '', { body: 'x' })).status, 202);
});

test('many requests at once open no more than there may be', async () => {
  const answers = await Promise.all(Array.from({ length: 40 }, () => open(other)));
  const opened = answers.filter(({ status }) => status === 202);
  assert.equal(opened.length, limit);
  assert.ok(answers.every(({ status }) => status === 202 || status === 429));
  await Promise.all(opened.map((each) => send(server, 'DELETE', header(each, 'location'), { as: other })));
});

/** The uploads of a store, as other processes change them too. */
function countedStore() {
  const open = new Map<string, string>();
  let counts = 0;
  let nowMs = 0;
  async function* listUploads() {
    counts += 1;
    for (const [id, startedBy] of open) yield { id, startedBy };
  }
  const slots = uploadSlots({ limit: 2, listUploads, now: () => nowMs });
  const take = async (actor: string, until: Promise<unknown> = Promise.resolve()) => {
    const id = randomUUID();
    await slots.open(actor, id, async () => {
      await until;
      open.set(id, actor);
    });
    return id;
  };
  return { open, slots, take, counts: () => counts, pass: (ms: number) => (nowMs += ms) };
}

test('the store is asked before anybody is refused, and not at each request', async () => {
  const { open, take, counts, pass } = countedStore();
  const first = await take('user:a');
  await take('user:a');
  assert.equal(counts(), 0);
  await assert.rejects(take('user:a'));
  await assert.rejects(take('user:a'));
  assert.equal(counts(), 1);
  // Ended by another process, or expired.
  open.delete(first);
  pass(10_000);
  await take('user:a');
  assert.equal(counts(), 2);
});

test('uploads that were open before the start count as soon as the store was asked', async () => {
  const { open, take } = countedStore();
  for (let count = 0; count < 5; count++) open.set(randomUUID(), 'user:a');
  await take('user:a');
  await take('user:a');
  await assert.rejects(take('user:a'));
  await take('user:b');
});

test('an upload counts while the store has not made it yet', async () => {
  const { slots, take, counts } = countedStore();
  const made = Promise.withResolvers<void>();
  const opening = [take('user:a', made.promise), take('user:a', made.promise)];
  await assert.rejects(take('user:a'));
  assert.equal(counts(), 1, 'the store was asked, and knew of none');
  made.resolve();
  const [first = ''] = await Promise.all(opening);
  await assert.rejects(take('user:a'));
  slots.release(first);
  await take('user:a');
});

test('an upload that the store could not make does not count', async () => {
  const { take } = countedStore();
  for (let count = 0; count < 3; count++)
    await assert.rejects(take('user:a', Promise.reject(new Error('no space'))), /no space/);
  await take('user:a');
  await take('user:a');
  await assert.rejects(take('user:a'), ({ name }: Error) => name === 'RequestRefused');
});
