import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { secretBox } from '../../infra/secrets/aes-gcm.ts';
import { keyFromFile, SecretKeyUnusable } from '../../infra/secrets/key-file.ts';
import { SealBroken } from '../../infra/secrets/port.ts';

const box = secretBox('a key that nobody guesses');

for (const text of ['', 'x', 'päss:wörd ☃', 'x'.repeat(100_000)]) {
  test(`a text of ${text.length} characters comes out of the box as it went in`, () => {
    assert.equal(box.open(box.seal(text, 'context'), 'context'), text);
  });
}

test('a sealed text shows nothing of the text, and is another one each time', () => {
  const sealed = box.seal('hunter2hunter2', 'context');
  assert.doesNotMatch(Buffer.from(sealed.slice(3), 'base64url').toString('latin1'), /hunter2/);
  assert.notEqual(box.seal('hunter2hunter2', 'context'), sealed);
});

test('a sealed text opens in no other context and with no other key', () => {
  const sealed = box.seal('secret', 'robot/1');
  assert.throws(() => box.open(sealed, 'robot/2'), SealBroken);
  assert.throws(() => secretBox('another key of enough length').open(sealed, 'robot/1'), SealBroken);
});

test('a sealed text in which one bit is changed does not open', () => {
  const bytes = Buffer.from(box.seal('secret', 'context').slice(3), 'base64url');
  for (let index = 0; index < bytes.length; index++) {
    const changed = Buffer.from(bytes);
    changed[index] = (changed[index] ?? 0) ^ 1;
    assert.throws(() => box.open(`v1.${changed.toString('base64url')}`, 'context'), SealBroken);
  }
});

for (const broken of ['', 'v1.', 'v1.AAAA', 'v2.'.padEnd(80, 'A'), 'plain text']) {
  test(`${JSON.stringify(broken.slice(0, 12))} is no sealed text`, () => {
    assert.throws(() => box.open(broken, 'context'), SealBroken);
  });
}

test('a fingerprint is the same for the same text, and another for another context or key', () => {
  const print = box.fingerprint('jane@example.com', 'e-mail');
  assert.equal(box.fingerprint('jane@example.com', 'e-mail'), print);
  const others = [
    box.fingerprint('jane@example.com', 'other'),
    box.fingerprint('john@example.com', 'e-mail'),
    secretBox('another key of enough length').fingerprint('jane@example.com', 'e-mail'),
  ];
  assert.equal(new Set([print, ...others]).size, 4);
});

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'shiplog-key-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

test('a key is made once, for its owner alone, and stays', async (t) => {
  const directory = await folder(t);
  const path = join(directory, 'secret-key');
  const key = await keyFromFile(path);
  assert.ok(Buffer.from(key, 'base64url').length === 32);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal(await keyFromFile(path), key);
  assert.deepEqual(await readdir(directory), ['secret-key']);
});

test('of many who make a key at once all get the same', async (t) => {
  const directory = await folder(t);
  const path = join(directory, 'secret-key');
  const keys = await Promise.all(Array.from({ length: 20 }, () => keyFromFile(path)));
  assert.deepEqual([...new Set(keys)], [(await readFile(path, 'utf8')).trim()]);
  assert.deepEqual(await readdir(directory), ['secret-key']);
});

test('an empty key file is refused and not replaced, since a new key opens nothing that is there', async (t) => {
  const path = join(await folder(t), 'secret-key');
  await writeFile(path, '\n');
  await assert.rejects(keyFromFile(path), SecretKeyUnusable);
  assert.equal(await readFile(path, 'utf8'), '\n');
});
