import assert from 'node:assert/strict';
import { maxEventBytes } from '../../infra/event-log/port.ts';
import type { LogRule } from './event-log.ts';
import {
  anEvent,
  assertOneHistory,
  assertRecorded,
  largeEvent,
  readWhole,
  someEvents,
} from './event-log-samples.ts';

const awkwardStreams = [
  'tag/library/nginx:1.0',
  'tag/library/nginx:1',
  'tag/library/nginx:1.0.0',
  'tag/library.nginx:1.0',
  'Tag/Library/nginx:1.0',
  `artifact/a/b@sha256:${'0'.repeat(64)}`,
  `artifact/a/b@sha256:${'0'.repeat(63)}1`,
  'tag',
  'tag/',
  'tag.',
  '.tag',
  'tag..a',
  '*',
  '>',
  'tag.*',
  'tag.>',
  '$all',
  '$JS.API',
  'tag-a',
  'tag_a',
  'tag=a',
  'tag~a',
  'tag%20a',
  'tag a',
  ' tag a',
  'tag a ',
  'tag\ta',
  'tag\na',
  "tag'a",
  'tag"a\\',
  'tag/café',
  'tag/cafe\u0301',
  'tag/版本/🚢',
  'x'.repeat(300),
  `${'x'.repeat(299)}y`,
  '版'.repeat(300),
  `${'版'.repeat(299)}x`,
];

const nested = (depth: number): object => (depth === 0 ? {} : { down: [nested(depth - 1)] });

const awkwardData: object[] = [
  {},
  { '': '' },
  { text: 'a\u0000b', '\u0000': '\u0000' },
  { text: '\\u0000 \\ " \' \r\n \u2028 \u001b \u007f' },
  { lone: '\ud83d', swapped: '\ude00\ud83d', whole: '😀', '\udfff': 1 },
  JSON.parse('{"__proto__": {"polluted": true}, "constructor": {"prototype": 1}, "toString": null}'),
  { largest: Number.MAX_SAFE_INTEGER, far: 1e300, tiny: 5e-324, tenth: 0.1, negative: -1, scientific: 1e21 },
  { nothing: null, no: false, zero: 0, list: [], mixed: [1, 'a', null, [[]], {}] },
  { date: '2024-02-30T25:61:61Z', number: '1e5', bytes: '\\x00', json: '{"a":1}' },
  nested(100),
  Object.fromEntries(Array.from({ length: 2000 }, (_, n) => [`key${n}`, n])),
];

export function contentRules(rule: LogRule): void {
  rule('every stream name is a stream of its own', async ({ log, open }) => {
    const events = awkwardStreams.map((stream) => anEvent({ stream }));
    await Promise.all(awkwardStreams.map((stream, n) => log.append(stream, 'none', events.slice(n, n + 1))));
    const other = await open();
    for (const [n, stream] of awkwardStreams.entries()) {
      const { events: recorded, revision } = await other.readStream(stream);
      assert.equal(revision, 0n, stream);
      assertRecorded(recorded, stream, events.slice(n, n + 1));
    }
    const streams = (await readWhole(other)).map(({ stream }) => stream);
    assert.deepEqual(streams.sort(), [...awkwardStreams].sort());
  });

  rule('data come back as they were appended', async ({ log, open }) => {
    const events = awkwardData.map((data) => anEvent(data));
    await log.append('tag/a', 'none', events);
    const other = await open();
    assertRecorded((await other.readStream('tag/a')).events, 'tag/a', events);
    assertRecorded(await readWhole(other), 'tag/a', events);
    assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  });

  rule('type, version and metadata come back as they were appended', async ({ log }) => {
    const events = [
      anEvent({}, { actor: 'anonymous' }),
      anEvent(
        {},
        {
          actor: 'robot:ci+größe',
          requestId: 'request\u0000\r\n: 1',
          correlationId: 'correlation',
          causationId: 'causation',
          traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
          clientIp: '2001:db8::1',
          userAgent: 'docker/27.0 "quoted" 🐳',
        },
      ),
      { ...anEvent(), type: 'ArtifactPushed', version: 12 },
    ];
    await log.append('tag/a', 'none', events);
    assertRecorded((await log.readStream('tag/a')).events, 'tag/a', events);
  });

  rule('recordedAt is the time of the append', async ({ log }) => {
    const before = Date.now();
    await log.append('tag/a', 'none', someEvents(2));
    const after = Date.now();
    for (const { recordedAt } of await readWhole(log)) {
      // The engine may keep time by another clock than the test, and whole milliseconds only.
      assert.ok(recordedAt.getTime() > before - 1000 && recordedAt.getTime() < after + 1000);
    }
  });

  rule('events may be small, large, and just below the limit', async ({ log, open }) => {
    const events = [
      { ...anEvent({ n: 1 }), type: 'T' },
      largeEvent(1024 * 1024),
      largeEvent(maxEventBytes - 1024),
    ];
    for (const event of events) await log.append('tag/a', 'any', [event]);
    const other = await open();
    assertRecorded((await other.readStream('tag/a')).events, 'tag/a', events);
    const whole = await readWhole(other);
    assertOneHistory(whole);
    assertRecorded(whole, 'tag/a', events);
  });

  rule('a stream may hold 10,000 events', async ({ log, open }) => {
    const events = someEvents(10_000);
    for (let from = 0; from < events.length; from += 250)
      await log.append('tag/a', from === 0 ? 'none' : BigInt(from - 1), events.slice(from, from + 250));
    const other = await open();
    const whole = await other.readStream('tag/a');
    assert.equal(whole.revision, 9999n);
    assertRecorded(whole.events, 'tag/a', events);
    assertRecorded((await other.readStream('tag/a', 9990n)).events, 'tag/a', events.slice(9990), 9990n);
    assertOneHistory(await readWhole(other));
  });
}
