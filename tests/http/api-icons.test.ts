import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { iconOf } from '../../gateway/api/icons.ts';
import { startServer } from '../server.ts';
import { ask, json } from './api-client.ts';
import { digestOf } from './client.ts';

const server = await startServer({ after });

const types = [
  ...['IMAGE', 'CHART', 'CNAB', 'WASM', 'CNAI', 'SBOM', 'UNKNOWN', 'constructor', ''],
  ...['signature.cosign', 'signature.notation', 'accelerator.nydus', 'sbom.harbor', 'subject.accessory'],
];
for (const type of types) {
  test(`everybody sees the icon of ${type || 'no type'}, by the digest of its content`, async () => {
    const digest = iconOf(type);
    const answer = await ask(server, 'GET', `/icons/${digest}`, { as: '' });
    assert.equal(answer.status, 200);
    const { 'content-type': contentType, content } = json(answer);
    const bytes = Buffer.from(content, 'base64');
    assert.equal(contentType, 'image/svg+xml');
    assert.equal(digestOf(bytes), digest);
    assert.match(bytes.toString(), /^<svg xmlns="[^"]+" .*<\/svg>$/);
  });
}

test('each kind of artifact has an icon of its own, and what is unknown that of all others', () => {
  const own = ['IMAGE', 'CHART', 'CNAB', 'WASM', 'CNAI', 'SBOM', 'UNKNOWN'].map(iconOf);
  assert.equal(new Set(own).size, own.length);
  assert.equal(iconOf('HELMFILE'), iconOf('UNKNOWN'));
});

test('another digest is that of no icon', async () => {
  for (const digest of [`sha256:${'0'.repeat(64)}`, 'sha256:short', 'image', '%E0%A4'])
    assert.ok([400, 404].includes((await ask(server, 'GET', `/icons/${digest}`)).status), digest);
});
