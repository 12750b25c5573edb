import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import {
  isWebhookSecret,
  messageId,
  newWebhookSecret,
  webhookHeaders,
} from '../infra/webhook-sender/signature.ts';

// The example that implementations of Standard Webhooks are tested by.
const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const id = 'msg_p5jXN8AQM9LWM0D4loKWxJek';
const sentAt = new Date(1_614_265_330_900);
const body = '{"test": 2432232314}';

test('a message is signed as Standard Webhooks has it', () => {
  assert.deepEqual(webhookHeaders(id, sentAt, body, [secret]), {
    'webhook-id': id,
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  });
});

test('while one secret takes the place of another, both sign', () => {
  const other = newWebhookSecret();
  const header = webhookHeaders(id, sentAt, 'ä', [other, secret])['webhook-signature'] ?? '';
  const expected = [other, secret].map((each) => {
    const key = Buffer.from(each.replace('whsec_', ''), 'base64');
    return `v1,${createHmac('sha256', key).update(`${id}.1614265330.ä`, 'utf8').digest('base64')}`;
  });
  assert.deepEqual(header.split(' '), expected);
});

test('without a secret there is an id, by which a message that comes twice is known, and no signature', () => {
  assert.deepEqual(Object.keys(webhookHeaders(id, sentAt, body, [])), ['webhook-id', 'webhook-timestamp']);
});

test('a message has the same id each time, and no other has it', () => {
  const eventId = '0198c9a2-6a0e-7f1e-9a43-7d5a3d9c5a11';
  const message = { eventId, policyId: 3, target: 0 };
  assert.equal(messageId(message), `${eventId}_3_0`);
  const ids = [message, { ...message, policyId: 30 }, { ...message, target: 1 }].map(messageId);
  assert.equal(new Set(ids).size, ids.length);
});

test('a secret is whsec_ and from 24 to 64 bytes in base64', () => {
  assert.ok(isWebhookSecret(newWebhookSecret()));
  assert.ok(isWebhookSecret(secret));
  assert.notEqual(newWebhookSecret(), newWebhookSecret());
  const of = (bytes: number) => `whsec_${Buffer.alloc(bytes, 7).toString('base64')}`;
  for (const good of [24, 64]) assert.ok(isWebhookSecret(of(good)), String(good));
  for (const bad of [
    '',
    'whsec_',
    of(23),
    of(65),
    secret.slice(6),
    `${secret}!`,
    `${secret}\n`,
    `${of(25).slice(0, -2)}`,
  ])
    assert.ok(!isWebhookSecret(bad), bad);
});

test('the example of the documentation takes what is signed for it now, and nothing else', async () => {
  const documentation = await readFile(new URL('../docs/webhooks.md', import.meta.url), 'utf8');
  const [, code = ''] = /```js\n([\s\S]*?)```/.exec(documentation) ?? [];
  const { isFromRegistry } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
  const other = newWebhookSecret();
  const now = new Date();
  const headers = webhookHeaders(id, now, body, [other, secret]);
  assert.ok(isFromRegistry(secret, headers, body));
  assert.ok(isFromRegistry(other, headers, body));
  assert.ok(!isFromRegistry(newWebhookSecret(), headers, body));
  assert.ok(!isFromRegistry(secret, headers, `${body} `));
  assert.ok(!isFromRegistry(secret, { ...headers, 'webhook-id': 'another' }, body));
  assert.ok(!isFromRegistry(secret, webhookHeaders(id, now, body, []), body));
  assert.ok(!isFromRegistry(secret, webhookHeaders(id, sentAt, body, [secret]), body), 'long ago');
  assert.ok(!isFromRegistry(secret, {}, body));
});
