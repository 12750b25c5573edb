import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { publicEventCatalogue } from '../../bin/public-event-catalogue.ts';
import { catalogue, currentVersion } from '../../domain/catalogue.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import { cloudEvent, cloudEventOf } from '../../domain/public-event/cloud-event.ts';
import { followedNames, withoutIds } from '../../domain/public-event/project-names.ts';
import { publicEventOf, publicTypes } from '../../domain/public-event/public-event.ts';
import { published } from '../../domain/public-event/published.ts';

const names = followedNames([
  ['library', 1],
  ['team', 2],
]);

const recorded = (type: string, data: object, actor = 'user:ada'): RecordedEvent => ({
  position: 7n,
  stream: 'test/1',
  revision: 3n,
  id: '0198c9a2-6a0e-7f1e-9a43-7d5a3d9c5a11',
  type,
  version: currentVersion(catalogue, type),
  data,
  metadata: {
    ...{
      actor,
      accessToken: 5,
      requestId: 'r1',
      correlationId: 'c1',
      causationId: 'e1',
      traceparent: '00-1-2-01',
    },
    ...{ clientIp: '192.0.2.7', userAgent: 'docker/29', operation: 'createTag', reason: 'a release' },
  },
  recordedAt: new Date('2026-10-02T08:00:00.123Z'),
});

async function stored(type: string): Promise<object> {
  const name = `./samples/${type}.v${currentVersion(catalogue, type)}.json`;
  return JSON.parse(await readFile(new URL(name, import.meta.url), 'utf8'));
}

const tagMoved = publicEventOf(recorded('TagMoved', await stored('TagMoved')), names);
const released: Readonly<Record<string, unknown>> = JSON.parse(
  await readFile(new URL('./public-events.json', import.meta.url), 'utf8'),
);

test('every type of event is published, or is private for a reason', () => {
  assert.deepEqual(Object.keys(published).toSorted(), [...catalogue.keys()].toSorted());
  for (const entry of Object.values(published))
    if ('private' in entry) assert.match(entry.private, /^\w.+\.$/);
});

test('every event is told as it was when its type was released', async () => {
  const told: Record<string, unknown> = {};
  for (const type of catalogue.keys()) {
    const event = publicEventOf(recorded(type, await stored(type)), names);
    if (event === undefined) continue;
    const {
      type: publicType,
      subject,
      project,
      projectId,
      repository,
      tag,
      digest,
      result,
      need,
      data,
    } = event;
    told[type] = JSON.parse(
      JSON.stringify({
        type: publicType,
        subject,
        project,
        projectId,
        repository,
        tag,
        digest,
        result,
        need,
        data,
      }),
    );
  }
  assert.deepEqual(told, released, 'others have written programs against these shapes; fields may only join');
});

test('what is told is what the schema of the type says', async () => {
  for (const type of catalogue.keys()) {
    const event = publicEventOf(recorded(type, await stored(type)), names);
    if (event === undefined) continue;
    const schema = publicTypes.find((known) => known.type === event.type)?.schema.strict();
    assert.deepEqual(schema?.parse(event.data), event.data, event.type);
  }
});

test('no secret, no hash, nothing sealed and no key of the store is told', async () => {
  for (const type of catalogue.keys()) {
    const event = publicEventOf(recorded(type, await stored(type)), names);
    const fields = JSON.stringify(event?.data ?? {});
    assert.doesNotMatch(
      fields,
      /argon2|sealed|"key"|emailKey|profile|[sS]ecretHash|tokenHash|privateKey/i,
      type,
    );
  }
});

test('types are lower-case and dotted, and each has one name', () => {
  const types = publicTypes.map(({ type }) => type);
  assert.equal(new Set(types).size, types.length);
  for (const type of types) assert.match(type, /^[a-z]+(?:-[a-z]+)*(?:\.[a-z]+(?:-[a-z]+)*)+$/);
});

test('an event of a repository says of which project it is at its time', () => {
  assert.equal(tagMoved?.project, 'library');
  assert.equal(tagMoved?.projectId, 1);
  const then = followedNames();
  then.observe({ type: 'ProjectCreated', data: { name: 'team', projectId: 2 } });
  then.observe({ type: 'ProjectDeleted', data: { name: 'team', projectId: 2 } });
  assert.equal(then.idOf('team'), undefined);
  then.observe({ type: 'ProjectCreated', data: { name: 'team', projectId: 9 } });
  then.observe({ type: 'ProjectDeleted', data: { name: 'team', projectId: 2 } });
  assert.equal(then.idOf('team'), 9);
});

test('what only readers of the log of a project may know is for readers of the system’s where no project is known', async () => {
  const robot = recorded('RobotChanged', await stored('RobotChanged'));
  assert.equal(publicEventOf(robot, withoutIds)?.need, 'system');
  const refused = { change: 'create_user', resource: 'eve', status: 403 };
  assert.equal(publicEventOf(recorded('ChangeRefused', refused), names)?.need, 'system');
  assert.equal(publicEventOf(recorded('ChangeRefused', { ...refused, projectId: 2 }), names)?.need, 'log');
});

test('who did it is told by kind and name', () => {
  const by = (actor: string) =>
    publicEventOf(recorded('QueuePaused', { kind: 'SCRUB' }, actor), names)?.actor;
  assert.deepEqual(by('user:ada'), { kind: 'user', name: 'ada' });
  assert.deepEqual(by('robot:team+ci'), { kind: 'robot', name: 'team+ci' });
  assert.deepEqual(by('system'), { kind: 'system', name: '' });
  assert.deepEqual(by('anonymous'), { kind: 'anonymous', name: '' });
});

test('a CloudEvent has the id of the log, and attributes as CloudEvents 1.0 names them', () => {
  assert.ok(tagMoved);
  const event = cloudEventOf(tagMoved, { source: 'https://registry.example', showsOrigin: true });
  assert.deepEqual(cloudEvent.strict().parse(event), event);
  assert.deepEqual(
    [event.id, event.type, event.subject, event.sequence, event.time, event.clientip],
    [
      '0198c9a2-6a0e-7f1e-9a43-7d5a3d9c5a11',
      'io.shiplog.tag.moved',
      `${tagMoved.repository}:${tagMoved.tag}`,
      '00000000000000000007',
      '2026-10-02T08:00:00.123Z',
      '192.0.2.7',
    ],
  );
  for (const name of Object.keys(cloudEvent.shape)) assert.match(name, /^[a-z0-9]{1,20}$/);
});

test('from where it was done is left out for who may not read the log, and who did it for strangers', () => {
  assert.ok(tagMoved);
  const source = 'https://registry.example';
  const member = cloudEventOf(tagMoved, { source, showsOrigin: false });
  for (const name of ['clientip', 'useragent', 'requestid', 'accesstoken'])
    assert.ok(!(name in member), `${name} is there`);
  assert.equal(member.actor, 'ada');
  const stranger = cloudEventOf(tagMoved, { source, showsOrigin: false, showsActor: false });
  for (const name of ['actor', 'actorkind', 'reason', 'clientip'])
    assert.ok(!(name in stranger), `${name} is there`);
});

test('docs/public-events.md is what the schemas say', async () => {
  const written = await readFile(new URL('../../docs/public-events.md', import.meta.url), 'utf8');
  assert.ok(
    written === publicEventCatalogue(),
    'docs/public-events.md is stale; `npm run docs` writes it again',
  );
});
