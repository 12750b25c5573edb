import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attributesIn, isDescriptive } from '../../domain/artifact/attributes.ts';

const imageType = 'application/vnd.oci.image.config.v1+json';
const chartType = 'application/vnd.cncf.helm.config.v1+json';
const bytes = (text: string) => new TextEncoder().encode(text);
const attributes = (document: unknown, mediaType = imageType) =>
  attributesIn(mediaType, bytes(JSON.stringify(document)));

test('of an image the parts that describe it are shown, where they are what they should be', () => {
  const config = { created: 'c', author: 'a', architecture: 'arm64', os: 'linux', config: { Env: [] } };
  assert.deepEqual(attributes({ ...config, history: [{}], rootfs: {} }), config);
  assert.deepEqual(attributes({ created: 7, author: '', os: null, config: [] }), {});
});

test('of anything else the whole config is shown', () => {
  const chart = { name: 'a', version: '1', keywords: ['x'] };
  assert.deepEqual(attributes(chart, chartType), chart);
});

test('what is no JSON object says nothing', () => {
  for (const text of ['', 'x', '[]', '7', 'null', '"a"', '{"a":1', '{"a":"\xff']) {
    assert.deepEqual(attributesIn(chartType, bytes(text)), {}, text);
  }
  assert.deepEqual(attributesIn(chartType, new Uint8Array([0x7b, 0xff, 0x7d])), {});
});

test('what is too large or too deep for a list says nothing', () => {
  const nested = (depth: number): unknown => (depth === 0 ? 1 : { a: nested(depth - 1) });
  assert.deepEqual(attributes({ a: 'x'.repeat(32 * 1024) }, chartType), {});
  assert.deepEqual(attributes({ a: 'x'.repeat(300 * 1024) }, chartType), {});
  assert.notDeepEqual(attributes(nested(20), chartType), {});
  assert.deepEqual(attributes(nested(40), chartType), {});
  const deep = `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`;
  assert.deepEqual(attributesIn(chartType, bytes(deep)), {});
  const wide = { a: Array.from({ length: 130_000 }, () => 1) };
  assert.deepEqual(attributes(wide, chartType), {});
});

test('only a config in JSON is read, and none that is empty or huge', () => {
  const size = 100;
  assert.ok(isDescriptive({ mediaType: imageType, size }));
  assert.ok(isDescriptive({ mediaType: 'application/json', size }));
  assert.ok(!isDescriptive({ mediaType: 'application/octet-stream', size }));
  assert.ok(!isDescriptive({ mediaType: 'text/x+json', size }));
  assert.ok(!isDescriptive({ mediaType: imageType, size: 2 }));
  assert.ok(!isDescriptive({ mediaType: imageType, size: 256 * 1024 + 1 }));
});
