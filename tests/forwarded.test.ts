import assert from 'node:assert/strict';
import { test } from 'node:test';
import Fastify from 'fastify';
import { heedTrustedProxies, trustedProxies } from '../gateway/forwarded.ts';

const isTrusted = trustedProxies(['10.0.0.0/8', '192.0.2.7', 'fd00::/8']);

/** What an application sees of a request from `peer` with these headers. */
async function seen(peer: string, headers: Record<string, string>) {
  const app = Fastify({ trustProxy: isTrusted });
  heedTrustedProxies(app, isTrusted);
  app.get('/', async ({ ip, protocol, host }) => ({ ip, protocol, host }));
  const answer = await app.inject({ url: '/', remoteAddress: peer, headers: { host: 'own', ...headers } });
  return answer.json();
}

const forwarded = {
  'x-forwarded-for': '203.0.113.9',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'registry.example.com:8443',
};
const believed = { ip: '203.0.113.9', protocol: 'https', host: 'registry.example.com:8443' };

for (const peer of ['10.1.2.3', '192.0.2.7', '::ffff:10.1.2.3', 'fd00::1']) {
  test(`the proxy ${peer} is believed`, async () => {
    assert.deepEqual(await seen(peer, forwarded), believed);
  });
}

for (const peer of ['11.1.2.3', '192.0.2.8', '::ffff:11.1.2.3', 'fe80::1%eth0', '2001:db8::1', '127.0.0.1']) {
  test(`${peer}, which is no proxy, is not believed`, async () => {
    assert.deepEqual(await seen(peer, forwarded), { ip: peer, protocol: 'http', host: 'own' });
  });
}

const addresses: readonly [header: string, ip: string][] = [
  ['198.51.100.1, 10.1.2.3', '198.51.100.1'],
  ['198.51.100.1, 203.0.113.9, 10.1.2.3', '203.0.113.9'],
  ['1.1.1.1, <script>, 203.0.113.9', '203.0.113.9'],
  ['1.1.1.1, unknown, 10.1.2.3', '10.1.2.3'],
  ['203.0.113.9:4711', '203.0.113.9'],
  ['[2001:db8::9]:4711', '2001:db8::9'],
  ['2001:db8::9', '2001:db8::9'],
  ['<script>', '10.9.9.9'],
  ['', '10.9.9.9'],
  [`${'1.1.1.1, '.repeat(1000)}203.0.113.9`, '203.0.113.9'],
];
for (const [header, ip] of addresses) {
  test(`the client behind X-Forwarded-For: ${header.slice(0, 50)} is ${ip}`, async () => {
    assert.equal((await seen('10.9.9.9', { 'x-forwarded-for': header })).ip, ip);
  });
}

test('of what a proxy says only a host and a protocol that can be are taken', async () => {
  for (const host of ['a b', 'a/b', 'evil.example.com/', '[::1', 'a:b', 'a@b', 'a:123456', ''])
    assert.equal((await seen('10.9.9.9', { 'x-forwarded-host': host })).host, 'own', host);
  assert.equal(
    (await seen('10.9.9.9', { 'x-forwarded-host': 'evil, [2001:db8::1]:1' })).host,
    '[2001:db8::1]:1',
  );
  for (const protocol of ['gopher', 'HTTPS', 'https://', ''])
    assert.equal((await seen('10.9.9.9', { 'x-forwarded-proto': protocol })).protocol, 'http', protocol);
});
