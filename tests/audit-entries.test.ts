import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { AuditEntry } from '../domain/audit/entry.ts';
import { auditWriter, type WriterSettings } from '../domain/audit/formats.ts';
import { auditOperations, leftOutWith, purgedWith } from '../domain/audit/operations.ts';
import { catalogue, currentVersion } from '../domain/catalogue.ts';
import type { Metadata, RecordedEvent } from '../domain/event.ts';
import { type AuditedEvent, auditedTypes, tell } from '../projections/audit/act.ts';
import { differenceOf } from '../projections/audit/settings-of.ts';
import { untoldTypes } from '../projections/audit/untold.ts';

const samples = new URL('domain/samples/', import.meta.url);
const names = await readdir(samples);

const metadata: Metadata = {
  ...{ actor: 'user:dev', accessToken: 7, requestId: 'one', correlationId: 'two', operation: 'anOperation' },
  ...{ clientIp: '::ffff:192.0.2.7', userAgent: 'docker/29', reason: 'because' },
};
async function sampleOf(type: string, of = metadata): Promise<RecordedEvent<AuditedEvent>> {
  const name = `${type}.v${currentVersion(catalogue, type)}.json`;
  assert.ok(names.includes(name), name);
  return {
    ...{ position: 9n, stream: 's', revision: 0n, id: '0198c9a2-6a0e-7f1e-9a43-7d5a3d9c5a11', version: 1 },
    ...{ metadata: of, recordedAt: new Date('2026-08-01T12:00:00Z'), type },
    data: JSON.parse(await readFile(new URL(name, samples), 'utf8')),
  } as unknown as RecordedEvent<AuditedEvent>;
}

test('every type of event is told in the audit log, or is listed with the reason why it is not', () => {
  const told: ReadonlySet<string> = new Set(auditedTypes);
  for (const type of catalogue.keys())
    assert.notEqual(told.has(type), Object.hasOwn(untoldTypes, type), type);
  for (const type of [...told, ...Object.keys(untoldTypes)]) assert.ok(catalogue.has(type), type);
});

test('an entry says who it was, by what and from where, and has an operation that can be asked for', async () => {
  for (const type of auditedTypes) {
    if (type === 'ExecutionStarted') continue;
    const entry = tell(await sampleOf(type));
    assert.ok(entry !== undefined && auditOperations.includes(entry.operation), type);
    assert.ok(entry.resource !== '' && entry.description !== '', type);
    assert.equal(entry.address, '192.0.2.7', 'an IPv4 address is one however it was heard');
    assert.deepEqual(
      [entry.accessToken, entry.userAgent, entry.reason, entry.correlationId, entry.requestId],
      [7, 'docker/29', 'because', 'two', 'one'],
      type,
    );
  }
  const bySystem = tell(await sampleOf('TagRemoved', { actor: 'system' }));
  assert.deepEqual([bySystem?.operation, bySystem?.actorKind], ['remove_tag', 'system']);
  const zoned = tell(await sampleOf('TagRemoved', { actor: 'anonymous', clientIp: 'fe80::1%eth0' }));
  assert.deepEqual([zoned?.address, zoned?.actorKind], ['fe80::1', 'anonymous']);
  assert.equal(tell(await sampleOf('TagRemoved', { actor: 'robot:ci', clientIp: 'unix:' }))?.address, null);
});

test('no secret and nothing sealed is told as before or after', async () => {
  for (const type of auditedTypes) {
    const difference = JSON.stringify(differenceOf(await sampleOf(type)) ?? null);
    assert.doesNotMatch(difference, /hash|"sealed|argon|password|sealedPrivateKey|profile/i, type);
  }
});

test('settings and purges of Harbor’s types are for all that is told beside its rows', () => {
  assert.equal(leftOutWith('push_manifest'), 'create_artifact');
  assert.equal(leftOutWith('create_label'), null);
  assert.deepEqual(purgedWith(['create_artifact', 'create_label']), [
    'create_artifact',
    'push_manifest',
    'create_label',
  ]);
});

const entry: AuditEntry = {
  ...{
    position: '12',
    eventId: '0198c9a2-6a0e-7f1e-9a43-7d5a3d9c5a11',
    at: new Date('2026-08-01T12:00:00Z'),
  },
  ...{ operation: 'update_robot', resourceType: 'robot', resource: 'a+ci', description: 'update robot' },
  ...{ actorKind: 'user', actor: 'dev', accessToken: null, address: '192.0.2.7', userAgent: null },
  ...{ projectId: 3, succeeded: true, reason: null, correlationId: 'two', requestId: null },
  ...{ before: null, after: null },
};
const settings: WriterSettings = { host: 'registry.example.com', version: '1.0|2', robotPrefix: 'robot$' };
const line = (format: 'csv' | 'ndjson' | 'cef', more: Partial<AuditEntry> = {}) =>
  auditWriter(format, settings).line({ ...entry, ...more });

test('CSV is written as RFC 4180 says, and nothing in it is a formula', () => {
  assert.equal(
    auditWriter('csv', settings).head,
    'id,event_id,time,operation,resource_type,resource,description,actor_kind,actor,credential,access_token,address,user_agent,project_id,result,reason,correlation_id,request_id,before,after',
  );
  assert.equal(
    line('csv', { reason: 'one, "two"\nthree', before: { public: true } }),
    '12,0198c9a2-6a0e-7f1e-9a43-7d5a3d9c5a11,2026-08-01T12:00:00.000Z,update_robot,robot,a+ci,update robot,user,dev,password,,192.0.2.7,,3,success,"one, ""two""\nthree",two,,"{""public"":true}",',
  );
  for (const start of ['=', '+', '-', '@', '＝', '＋', '－', '＠', '\t', '\r', '\n']) {
    const written = line('csv', { resource: `${start}cmd|' /C calc'!A0` });
    assert.match(written, new RegExp(`,"?'\\${start}cmd`), JSON.stringify(start));
  }
});

test('NDJSON is one object a line, whatever is in it', () => {
  const written = line('ndjson', {
    actorKind: 'robot',
    actor: 'a+ci',
    userAgent: 'a\nb\u2028',
    accessToken: null,
  });
  assert.ok(!written.includes('\n'));
  const read = JSON.parse(written);
  assert.deepEqual(
    [read.actor, read.credential, read.user_agent, read.result],
    ['robot$a+ci', 'robot-secret', 'a\nb\u2028', 'success'],
  );
});

test('CEF escapes what would end a field, in the header and in the extension', () => {
  assert.equal(
    line('cef', { reason: 'a=b\\c|d\ne\r\nf', description: 'x|y\\z\nw', succeeded: false }),
    'CEF:0|Shiplog|Shiplog|1.0\\|2|update_robot|x\\|y\\\\z w|6|rt=1785585600000 dvchost=registry.example.com externalId=0198c9a2-6a0e-7f1e-9a43-7d5a3d9c5a11 act=update_robot outcome=failure suser=dev src=192.0.2.7 reason=a\\=b\\\\c|d\\ne\\nf cs1=a+ci cs1Label=resource cs2=robot cs2Label=resourceType cs3=two cs3Label=correlationId cs5=user cs5Label=actorKind cs6=password cs6Label=credential cn1=12 cn1Label=position cn2=3 cn2Label=projectId',
  );
  assert.match(line('cef', { address: '2001:db8::1' }), / c6a2=2001:db8::1 c6a2Label=Source IPv6 Address /);
});
