import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openHarborTarget, openTarget, type TargetSettings } from '../../infra/audit-targets/open.ts';
import { BatchRefused, TargetUnavailable } from '../../infra/audit-targets/port.ts';
import { syslogTarget } from '../../infra/audit-targets/syslog.ts';
import { rfc5424 } from '../../infra/audit-targets/syslog-message.ts';
import { auditRecord, parseCef } from '../audit-records.ts';
import { makeCertificate } from '../certificate.ts';
import { type Answering, type ReceivedRequest, startHttpReceiver } from '../http-receiver.ts';
import { framesIn, parseRfc5424, startSyslogReceiver } from '../syslog-receiver.ts';
import { requireTool } from '../tool.ts';
import { until } from '../until.ts';
import { auditTargetContract, type ReadRecord, type TargetUnderTest } from './audit-target.ts';

const origin = { hostname: 'registry.example.com', version: '1.2.3' };
const standard: Omit<TargetSettings, 'type' | 'url'> = {
  tls: { verify: true },
  token: undefined,
  username: undefined,
  password: undefined,
  signingSecret: undefined,
  index: undefined,
  format: undefined,
  acknowledged: false,
  gzip: false,
  timeoutMs: 1000,
};
const never = new AbortController().signal;
const allFields = [
  ...['id', 'event_id', 'time', 'operation', 'event_type', 'actor_kind', 'actor', 'credential', 'address'],
  ...['user_agent', 'resource_type', 'resource', 'description', 'result', 'correlation_id', 'request_id'],
  'project_id',
];

const lines = (body: string): string[] => {
  assert.ok(body.endsWith('\n'));
  return body.slice(0, -1).split('\n');
};

/** A target that speaks HTTP, and what reads its requests. */
async function overHttp(
  t: TestContext,
  settings: Partial<TargetSettings> & Pick<TargetSettings, 'type'>,
  read: (request: ReceivedRequest) => readonly ReadRecord[],
  { answer = () => ({}), path = '' }: { readonly answer?: Answering; readonly path?: string } = {},
): Promise<TargetUnderTest & { readonly requests: readonly ReceivedRequest[]; answer(by: Answering): void }> {
  const receiver = await startHttpReceiver(t, answer);
  const target = openTarget({ ...standard, url: receiver.url + path, ...settings }, origin);
  t.after(() => target.close());
  let isHanging = false;
  return {
    target,
    requests: receiver.requests,
    answer: receiver.answer,
    received: () => receiver.requests.flatMap(read),
    stop: receiver.stop,
    async start() {
      if (isHanging) receiver.answer(answer);
      await receiver.start();
    },
    hang() {
      isHanging = true;
      receiver.answer(() => 'nothing');
    },
  };
}

/** By the rules of the HTTP Event Collector: JSON objects behind each other. */
function readSplunk({ url, headers, body }: ReceivedRequest): readonly ReadRecord[] {
  assert.equal(url, '/services/collector/event');
  assert.equal(headers.authorization, 'Splunk of-splunk');
  return body.split('\n').map((line) => {
    const { time, host, source, sourcetype, event, ...more } = JSON.parse(line);
    assert.deepEqual([host, source, sourcetype], [origin.hostname, 'shiplog', 'shiplog:audit']);
    assert.deepEqual(more, {});
    assert.equal(new Date(Math.round(time * 1000)).toISOString(), event.time);
    return event;
  });
}

/** By the rules of `_bulk`: an action on a line, and the document on the next. */
function readBulk({ url, headers, body }: ReceivedRequest): readonly ReadRecord[] {
  assert.equal(new URL(url, 'http://x').pathname, '/under/shiplog-audit/_bulk');
  assert.equal(headers['content-type'], 'application/x-ndjson');
  const all = lines(body);
  assert.equal(all.length % 2, 0);
  return all.flatMap((line, nth) => {
    if (nth % 2 === 1) return [];
    const document = JSON.parse(all[nth + 1] ?? '');
    assert.deepEqual(JSON.parse(line), { create: { _id: document.event_id } });
    assert.equal(document['@timestamp'], document.time);
    return [document];
  });
}

const tookAll: Answering = (request) => ({
  body: JSON.stringify({ items: readBulk(request).map(() => ({ create: { status: 201 } })) }),
});

/** By the JSON of OTLP's ExportLogsServiceRequest. */
function readOtlp({ url, headers, body }: ReceivedRequest): readonly ReadRecord[] {
  assert.equal(url, '/v1/logs');
  assert.equal(headers['content-type'], 'application/json');
  const { resourceLogs, ...more } = JSON.parse(body);
  assert.deepEqual(more, {});
  return resourceLogs.flatMap(({ resource, scopeLogs }: Record<string, never[]>) => {
    assert.deepEqual(plain((resource as never as { attributes: [] }).attributes), {
      'service.name': 'shiplog',
      'service.version': '1.2.3',
      'host.name': origin.hostname,
    });
    return (scopeLogs ?? []).flatMap(({ logRecords }: { logRecords: OtlpRecord[] }) =>
      logRecords.map((record) => {
        assert.match(record.timeUnixNano, /^\d{19}$/);
        assert.equal(record.severityNumber, plain(record.attributes).result === 'success' ? 9 : 13);
        assert.match(record.traceId, /^[0-9a-f]{32}$/);
        assert.match(record.spanId, /^[0-9a-f]{16}$/);
        const time = new Date(Number(record.timeUnixNano.slice(0, -6))).toISOString();
        return { ...plain(record.attributes), time, description: record.body.stringValue };
      }),
    );
  });
}

interface OtlpRecord {
  readonly timeUnixNano: string;
  readonly severityNumber: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly body: { readonly stringValue: string };
  readonly attributes: readonly OtlpAttribute[];
}
interface OtlpAttribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: string };
}
const plain = (attributes: readonly OtlpAttribute[]) =>
  Object.fromEntries(
    attributes.map(({ key, value }) => {
      assert.equal(Object.keys(value).length, 1);
      assert.equal(typeof (value.stringValue ?? value.intValue), 'string');
      return [key, value.stringValue ?? Number(value.intValue)];
    }),
  );

const splunk = { type: 'splunk-hec', token: 'of-splunk' } as const;
auditTargetContract('splunk-hec', allFields, (t) => overHttp(t, splunk, readSplunk));
auditTargetContract('splunk-hec, compressed', allFields, (t) =>
  overHttp(t, { ...splunk, gzip: true }, readSplunk),
);

const overBulk = (t: TestContext, answer: Answering = tookAll) =>
  overHttp(t, { type: 'elasticsearch' }, readBulk, { answer, path: '/under/' });
auditTargetContract('elasticsearch', allFields, (t) => overBulk(t));
auditTargetContract('otlp', allFields, (t) => overHttp(t, { type: 'otlp' }, readOtlp));
auditTargetContract('http, lines', allFields, (t) =>
  overHttp(t, { type: 'http' }, ({ body }) => lines(body).map((line) => JSON.parse(line))),
);
auditTargetContract('http, an array', allFields, (t) =>
  overHttp(t, { type: 'http', format: 'json', gzip: true }, ({ body }) => JSON.parse(body)),
);

/** A target that speaks syslog, with connections that are known to have arrived soon. */
async function overSyslog(
  t: TestContext,
  format: 'cef' | 'json',
  tls?: { readonly cert: string; readonly key: string },
): Promise<TargetUnderTest & { readonly receiver: Awaited<ReturnType<typeof startSyslogReceiver>> }> {
  const receiver = await startSyslogReceiver(t, tls);
  const target = syslogTarget({
    host: '127.0.0.1',
    port: receiver.port,
    tls: tls && { ca: tls.cert, verify: true },
    timeoutMs: 1000,
    form: rfc5424(format, origin),
    settleMs: 100,
    sessionMs: 500,
  });
  t.after(() => target.close());
  return {
    target,
    receiver,
    received: () =>
      receiver.read.flatMap((bytes) => {
        const { frames, rest } = framesIn(bytes);
        assert.equal(rest.length, 0);
        return frames.map(format === 'cef' ? readCef : readJson);
      }),
    stop: receiver.kill,
    start: receiver.start,
    hang: receiver.hang,
  };
}

function readJson(frame: Buffer): ReadRecord {
  const { structured, text, ...header } = parseRfc5424(frame);
  const record = JSON.parse(text);
  assert.equal(structured['shiplog@32473']?.id, record.event_id);
  assert.equal(header.priority, record.result === 'success' ? 110 : 108);
  assert.deepEqual(
    [header.at, header.hostname, header.application, header.messageId],
    [record.time, origin.hostname, 'shiplog', record.operation],
  );
  return record;
}

function readCef(frame: Buffer): ReadRecord {
  const { structured, text } = parseRfc5424(frame);
  const { header, extension } = parseCef(text);
  assert.deepEqual(header.slice(0, 3), ['Shiplog', 'Shiplog', '1.2.3']);
  assert.equal(structured['shiplog@32473']?.id, extension.externalId);
  return {
    event_id: extension.externalId,
    time: new Date(Number(extension.rt)).toISOString(),
    operation: extension.act,
    description: header[4],
    actor: extension.suser,
    address: extension.src,
    user_agent: extension.requestClientApplication,
    resource: extension.cs1,
    result: extension.outcome,
  };
}

const cefFields = [
  'event_id',
  'time',
  'operation',
  'actor',
  'address',
  'user_agent',
  'resource',
  'description',
  'result',
];
auditTargetContract('syslog, JSON', allFields, (t) => overSyslog(t, 'json'));
auditTargetContract('syslog, CEF', cefFields, (t) => overSyslog(t, 'cef'));

test('syslog over TLS: what is sent arrives, to who shows the certificate that is asked for', async (t) => {
  const openssl = requireTool(t, 'openssl');
  if (openssl === undefined) return;
  const folder = await mkdtemp(join(tmpdir(), 'shiplog-syslog-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const { certificate, privateKey } = makeCertificate(openssl, folder, 'receiver');
  const pem = { cert: await readFile(certificate, 'utf8'), key: await readFile(privateKey, 'utf8') };
  const { target, received, receiver } = await overSyslog(t, 'json', pem);
  const records = Array.from({ length: 500 }, () => auditRecord());
  const { settled } = await target.send(records, never);
  await settled;
  assert.deepEqual(
    received().map(({ event_id }) => event_id),
    records.map(({ eventId }) => eventId),
  );

  const settings = { ...standard, type: 'syslog', url: `tls://127.0.0.1:${receiver.port}` } as const;
  const distrusting = openTarget(settings, origin);
  await assert.rejects(distrusting.send(records, never), /self-signed certificate/);
  const careless = openTarget({ ...settings, tls: { verify: false } }, origin);
  await careless.send([auditRecord()], never);

  const client = makeCertificate(openssl, folder, 'client');
  const known = {
    cert: await readFile(client.certificate, 'utf8'),
    key: await readFile(client.privateKey, 'utf8'),
  };
  const strict = await startSyslogReceiver(t, { ...pem, ca: known.cert });
  const strictly = { ...standard, type: 'syslog', url: `tls://localhost:${strict.port}` } as const;
  const welcome = openTarget({ ...strictly, tls: { ca: pem.cert, ...known, verify: true } }, origin);
  const stranger = openTarget({ ...strictly, tls: { ca: pem.cert, verify: true } }, origin);
  await assert.rejects(async () => (await stranger.send([auditRecord()], never)).settled, TargetUnavailable);
  await welcome.send([auditRecord()], never);
  await until('it has been read', () => strict.read.some((bytes) => bytes.length > 0));
  for (const one of [distrusting, careless, welcome, stranger]) one.close();
});

test('syslog: what went over a connection that was broken does not count as taken', async (t) => {
  const { target, receiver, received } = await overSyslog(t, 'json');
  const record = auditRecord();
  const { settled } = await target.send([record], never);
  await until('it has been read', () => received().length === 1);
  await receiver.kill();
  await assert.rejects(settled ?? Promise.resolve(), TargetUnavailable);
});

test('syslog: who ends the connection by himself has taken nothing for sure', async (t) => {
  const { createServer } = await import('node:net');
  const server = createServer((socket) => socket.once('data', () => socket.end())).listen(0, '127.0.0.1');
  t.after(async () => void server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  const form = rfc5424('json', origin);
  const target = syslogTarget({
    host: '127.0.0.1',
    port,
    tls: undefined,
    timeoutMs: 1000,
    form,
    settleMs: 500,
  });
  const { settled } = await target.send([auditRecord()], never);
  await assert.rejects(settled ?? Promise.resolve(), /ended the connection/);
});

test('syslog: a connection in use is replaced by another one in time, and each proves what it carried', async (t) => {
  const { target, receiver, received } = await overSyslog(t, 'json');
  const all: (Promise<void> | undefined)[] = [];
  await until('there are three connections', async () => {
    all.push((await target.send([auditRecord()], never)).settled);
    return receiver.read.length >= 3;
  });
  await Promise.all(all);
  assert.equal(received().length, all.length);
});

test('the endpoint of Harbor’s API is sent lines as Harbor sends them', async (t) => {
  const receiver = await startSyslogReceiver(t);
  const target = openHarborTarget(`127.0.0.1:${receiver.port}`, origin, 1000);
  t.after(async () => target.close());
  const record = auditRecord({
    operation: 'create_project',
    resourceType: 'project',
    resource: 'x\ny',
  });
  await target.send([record], never);
  await until('it is there', () => receiver.read[0]?.at(-1) === 0x0a);
  assert.equal(
    receiver.read[0]?.toString(),
    '<6>2026-05-04T03:02:01Z registry.example.com audit[1]: 2026-05-04T03:02:01Z [INFO] ' +
      `[id="${record.eventId}" operator="ann" resourceType="project" time="2026-05-04T03:02:01Z"]: action:create, resource:x y\n`,
  );
});

const refusals: readonly [status: number, error: typeof BatchRefused | typeof TargetUnavailable][] = [
  [400, BatchRefused],
  [413, BatchRefused],
  [422, BatchRefused],
  [401, TargetUnavailable],
  [403, TargetUnavailable],
  [404, TargetUnavailable],
  [429, TargetUnavailable],
  [500, TargetUnavailable],
  [503, TargetUnavailable],
  [302, TargetUnavailable],
];
test('http and otlp: an answer blames the records, or the moment', async (t) => {
  for (const type of ['http', 'otlp'] as const) {
    const { target, answer } = await overHttp(t, { type, token: 'very secret' }, () => []);
    for (const [status, error] of refusals) {
      answer(() => ({ status, headers: { location: '/elsewhere' }, body: 'no, very secret\u0000\n!' }));
      await assert.rejects(target.send([auditRecord()], never), (thrown: Error) => {
        assert.ok(thrown instanceof error, `${type} ${status}`);
        assert.equal(thrown.message, `${status} no, [secret] !`);
        return true;
      });
    }
  }
});

test('for as long as a target asks to be left alone, it says so', async (t) => {
  const { target, answer } = await overHttp(t, { type: 'http' }, () => []);
  const retryAfter = async (value: string): Promise<number> => {
    answer(() => ({ status: 429, headers: { 'retry-after': value } }));
    const error = await target.send([auditRecord()], never).then(
      () => assert.fail('it took it'),
      (error: TargetUnavailable) => error,
    );
    return error.retryAfterMs;
  };
  assert.equal(await retryAfter('7'), 7000);
  assert.equal(await retryAfter('999999999'), 3_600_000);
  assert.equal(await retryAfter('soon'), 0);
  const date = await retryAfter(new Date(Date.now() + 60_000).toUTCString());
  assert.ok(date > 30_000 && date <= 60_000, String(date));
});

test('splunk-hec: only some answers blame the events', async (t) => {
  const { target, answer } = await overHttp(t, splunk, readSplunk);
  const rejects = async (
    status: number,
    code: number,
    error: typeof BatchRefused | typeof TargetUnavailable,
  ) => {
    answer(() => ({ status, body: JSON.stringify({ text: 'no', code }) }));
    await assert.rejects(target.send([auditRecord()], never), error, String(code));
  };
  for (const code of [5, 6, 12, 13, 15]) await rejects(400, code, BatchRefused);
  // The index, the channel, and acknowledgement that is off.
  for (const code of [7, 10, 11, 14]) await rejects(400, code, TargetUnavailable);
  await rejects(403, 4, TargetUnavailable);
  await rejects(503, 9, TargetUnavailable);
});

test('splunk-hec: with acknowledgement, what was sent counts when indexers have it', async (t) => {
  let asked = 0;
  const channels = new Set<unknown>();
  const { target, answer } = await overHttp(t, { ...splunk, acknowledged: true, index: 'audit' }, () => []);
  answer(({ url, headers, body }) => {
    channels.add(headers['x-splunk-request-channel']);
    if (url === '/services/collector/event') {
      assert.equal(JSON.parse(body).index, 'audit');
      return { body: '{"text":"Success","code":0,"ackId":3}' };
    }
    assert.equal(url, '/services/collector/ack');
    assert.deepEqual(JSON.parse(body), { acks: [3] });
    asked += 1;
    return { body: JSON.stringify({ acks: { 3: asked > 1 } }) };
  });
  await target.send([auditRecord()], never);
  assert.equal(asked, 2);
  assert.equal(channels.size, 1);
  assert.match(String([...channels][0]), /^[0-9a-f-]{36}$/);
  answer(() => ({ body: '{"text":"Success","code":0}' }));
  await assert.rejects(target.send([auditRecord()], never), /acknowledgement is off/);
});

test('elasticsearch: a document that is there is taken, one that does not fit is refused, and what is busy comes later', async (t) => {
  const statuses: object[] = [];
  const { target } = await overBulk(t, () => ({
    body: JSON.stringify({ items: statuses.map((create) => ({ create })) }),
  }));
  const records = [auditRecord(), auditRecord(), auditRecord()];
  const error = { type: 'document_parsing_exception', reason: 'failed to parse field [at]' };
  statuses.push({ status: 409 }, { status: 400, error }, { status: 201 });
  assert.deepEqual(await target.send(records, never), {
    refused: [{ record: records[1], reason: 'document_parsing_exception: failed to parse field [at]' }],
  });
  statuses[0] = { status: 429, error: { type: 'es_rejected_execution_exception', reason: 'full' } };
  await assert.rejects(
    target.send(records, never),
    /^TargetUnavailable: 429 es_rejected_execution_exception/,
  );
  statuses.pop();
  await assert.rejects(target.send(records, never), /not the answer of a _bulk/);
});

test('otlp: records that are rejected without a word on which are sent apart', async (t) => {
  const { target, answer } = await overHttp(t, { type: 'otlp' }, readOtlp);
  answer(() => ({ body: '{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"too old"}}' }));
  await assert.rejects(target.send([auditRecord(), auditRecord()], never), BatchRefused);
  answer(() => ({ body: '{"partialSuccess":{"rejectedLogRecords":"0","errorMessage":"slow down"}}' }));
  await target.send([auditRecord()], never);
});

test('http: requests are signed as Standard Webhooks says, and the same records have the same key', async (t) => {
  const key = Buffer.from('0123456789abcdef0123456789abcdef');
  const settings = { type: 'http', token: 'of-http', gzip: true } as const;
  const secret = `whsec_${key.toString('base64')}`;
  const { target, requests } = await overHttp(t, { ...settings, signingSecret: secret }, () => []);
  const record = auditRecord();
  for (const records of [[record], [record], [auditRecord()]]) await target.send(records, never);
  for (const { headers, body } of requests) {
    assert.equal(headers.authorization, 'Bearer of-http');
    assert.equal(headers['webhook-id'], headers['idempotency-key']);
    const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
    const signature = createHmac('sha256', key).update(signed).digest('base64');
    assert.equal(headers['webhook-signature'], `v1,${signature}`);
  }
  const keys = requests.map(({ headers }) => headers['idempotency-key']);
  assert.equal(keys[0], keys[1]);
  assert.notEqual(keys[0], keys[2]);
});
