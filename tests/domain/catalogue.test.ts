import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { z } from 'zod';
import { eventCatalogue } from '../../bin/event-catalogue.ts';
import {
  type Catalogue,
  type CataloguedEvent,
  catalogue,
  currentVersion,
  upcast,
} from '../../domain/catalogue.ts';
import type { RecordedEvent } from '../../domain/event.ts';

const folder = new URL('./samples/', import.meta.url);

const recorded = (type: string, version: number, data: object): RecordedEvent => ({
  position: 7n,
  stream: 'test/1',
  revision: 3n,
  id: '0198c9a2-6a0e-7f1e-9a43-7d5a3d9c5a11',
  type,
  version,
  data,
  metadata: { actor: 'user:admin' },
  recordedAt: new Date(0),
});

/** The name of the stored sample of each version that a log can hold. */
const versionsOf = ({ type, upcasters }: CataloguedEvent) =>
  Array.from({ length: upcasters.length + 1 }, (_, index) => ({ version: index + 1, type }));
const sampleName = ({ type, version }: { type: string; version: number }) => `${type}.v${version}.json`;

for (const entry of catalogue.values()) {
  for (const { type, version } of versionsOf(entry)) {
    test(`an event ${type} of version ${version}, as it was stored, is read with today's schema`, async () => {
      const file = new URL(sampleName({ type, version }), folder);
      const text = await readFile(file, 'utf8').catch(() =>
        assert.fail(
          `${file.pathname} is missing: every version ever released has a sample that never changes`,
        ),
      );
      const { data } = upcast(catalogue, recorded(type, version, JSON.parse(text)));
      // Equal, because a schema that has dropped a field would read it without a word.
      assert.deepEqual(
        z.object({ data: entry.schema }).strict().parse({ data }),
        { data },
        'a released schema never changes in place: give the new shape a version and an upcaster',
      );
    });
  }

  test(`the newest sample of ${entry.type} has every field, so that no field joins its version unnoticed`, async () => {
    const version = currentVersion(catalogue, entry.type);
    const text = await readFile(new URL(sampleName({ type: entry.type, version }), folder), 'utf8');
    const { properties = {} } = z.toJSONSchema(entry.schema, { io: 'output' });
    assert.deepEqual(Object.keys(JSON.parse(text)).toSorted(), Object.keys(properties).toSorted());
  });
}

test('every stored sample belongs to a version of an event that Shiplog still reads', async () => {
  const expected = [...catalogue.values()].flatMap(versionsOf).map(sampleName);
  assert.deepEqual((await readdir(folder)).toSorted(), expected.toSorted());
});

const entry = (upcasters: CataloguedEvent['upcasters'], schema: CataloguedEvent['schema']): Catalogue =>
  new Map([
    [
      'Renamed',
      { type: 'Renamed', stream: 'test/<id>', description: 'Made by the test.', schema, upcasters },
    ],
  ]);

const threeVersions = entry(
  [
    ({ fullName, ...rest }) => ({ ...rest, name: fullName }),
    ({ name, ...rest }) => ({ ...rest, name: { text: name, language: 'en' } }),
  ],
  z.object({ id: z.int(), name: z.object({ text: z.string(), language: z.string() }) }),
);
const today = { id: 1, name: { text: 'Shiplog', language: 'en' } };

test('an event of the first version passes through every upcaster in turn', () => {
  const before = recorded('Renamed', 1, { id: 1, fullName: 'Shiplog' });
  assert.deepEqual(upcast(threeVersions, before), { ...before, version: 3, data: today });
});

test('an event of a version in between passes only through the upcasters after it', () => {
  const before = recorded('Renamed', 2, { id: 1, name: 'Shiplog' });
  assert.deepEqual(upcast(threeVersions, before), { ...before, version: 3, data: today });
});

test('an event of the current version is read as it is', () => {
  const before = recorded('Renamed', 3, today);
  assert.equal(upcast(threeVersions, before), before);
});

test('an upcaster leaves the event that was read as it was', () => {
  const before = recorded('Renamed', 1, { id: 1, fullName: 'Shiplog' });
  upcast(threeVersions, before);
  assert.deepEqual(before.data, { id: 1, fullName: 'Shiplog' });
  assert.equal(before.version, 1);
});

test('new events get the version after the last upcaster', () => {
  assert.equal(currentVersion(threeVersions, 'Renamed'), 3);
  assert.equal(currentVersion(entry([], z.object({})), 'Renamed'), 1);
});

test('an event from a newer Shiplog is an error that names it, never skipped', () => {
  assert.throws(
    () => upcast(threeVersions, recorded('Renamed', 4, today)),
    /Renamed at position 7 has version 4, newer than 3/,
  );
});

test('an event of an unknown type is an error that names it, when read and when written', () => {
  assert.throws(
    () => upcast(threeVersions, recorded('Vanished', 1, {})),
    /the event type Vanished is not in the catalogue/,
  );
  assert.throws(
    () => currentVersion(threeVersions, 'Vanished'),
    /the event type Vanished is not in the catalogue/,
  );
});

test('every field of every event says what it means', () => {
  for (const { type, description, schema } of catalogue.values()) {
    assert.notEqual(description, '', `${type} has no description`);
    for (const [name, property] of Object.entries(
      z.toJSONSchema(schema, { io: 'output' }).properties ?? {},
    )) {
      assert.ok(
        typeof property === 'object' && property.description,
        `${type}.${name} has no description in its schema`,
      );
    }
  }
});

test('docs/events.md is what the schemas say', async () => {
  const written = await readFile(new URL('../../docs/events.md', import.meta.url), 'utf8');
  assert.ok(written === eventCatalogue(), 'docs/events.md is stale; `npm run docs` writes it again');
});
