import assert from 'node:assert/strict';
import {
  type Append,
  AppendTooLarge,
  type ExpectedRevision,
  maxEventBytes,
  maxEventsPerAppend,
  RevisionConflict,
} from '../../infra/event-log/port.ts';
import type { LogAbilities, LogRule } from './event-log.ts';
import { anEvent, assertRecorded, idsOf, largeEvent, readWhole, someEvents } from './event-log-samples.ts';

export function appendRules(rule: LogRule, { appendsManyAtomically }: LogAbilities): void {
  rule('an empty log has the head 0, no events and streams without a revision', async ({ log }) => {
    assert.equal(log.appendsManyAtomically, appendsManyAtomically);
    assert.equal(await log.head(), 0n);
    assert.deepEqual(await readWhole(log), []);
    assert.deepEqual(await log.readStream('tag/a'), { events: [], revision: 'none' });
    assert.deepEqual(await log.readStream('tag/a', 7n), { events: [], revision: 'none' });
  });

  rule('an append at the expected revision resolves to the position of its last event', async ({ log }) => {
    const [first, second, third] = [anEvent({ n: 1 }), anEvent({ n: 2 }), anEvent({ n: 3 })];
    const positions = [
      await log.append('tag/a', 'none', [first]),
      await log.append('tag/a', 0n, [second]),
      await log.append('tag/a', 'any', [third]),
    ];
    const { events, revision } = await log.readStream('tag/a');
    assert.equal(revision, 2n);
    assertRecorded(events, 'tag/a', [first, second, third]);
    assert.deepEqual(
      events.map(({ position }) => position),
      positions,
    );
    assert.equal(await log.head(), positions[2]);
  });

  rule('an append without expectations starts a stream that has no events', async ({ log }) => {
    const event = anEvent();
    await log.append('tag/a', 'any', [event]);
    assertRecorded((await log.readStream('tag/a')).events, 'tag/a', [event]);
  });

  rule('an append at another revision than the expected one changes nothing', async ({ log, open }) => {
    await assert.rejects(log.append('tag/a', 0n, [anEvent()]), RevisionConflict);
    assert.equal(await log.head(), 0n);

    const first = [anEvent(), anEvent()];
    const head = await log.append('tag/a', 'none', first);
    const other = await open();
    for (const client of [log, other])
      for (const expected of ['none', 0n, 2n, 99n] as const) {
        await assert.rejects(client.append('tag/a', expected, [anEvent(), anEvent()]), (error) => {
          assert.ok(error instanceof RevisionConflict);
          assert.deepEqual([error.stream, error.expected], ['tag/a', expected]);
          return true;
        });
      }
    assertRecorded((await log.readStream('tag/a')).events, 'tag/a', first);
    assert.equal(await log.head(), head);
    assert.equal((await readWhole(log)).length, 2);
  });

  rule('what another client appended is never a false conflict', async ({ log, open }) => {
    const other = await open();
    const events = someEvents(6);
    let expected: ExpectedRevision = 'none';
    for (const [n, event] of events.entries()) {
      await (n % 2 === 0 ? log : other).append('tag/a', expected, [event]);
      expected = BigInt(n);
    }
    assertRecorded((await other.readStream('tag/a')).events, 'tag/a', events);
  });

  rule('of many appends at one revision exactly one is taken', async ({ log, open }) => {
    const other = await open();
    const rivals = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) => (n % 2 ? log : other).append('tag/a', 'none', [anEvent({ n })])),
    );
    const refused = rivals.filter((rival) => rival.status === 'rejected');
    assert.equal(refused.length, 19);
    for (const { reason } of refused) assert.ok(reason instanceof RevisionConflict);
    assert.equal((await readWhole(log)).length, 1);
  });

  rule('concurrent appends without expectations all find their place', async ({ log, open }) => {
    const other = await open();
    const events = someEvents(40);
    await Promise.all(events.map((event, n) => (n % 2 ? log : other).append('tag/a', 'any', [event])));
    const recorded = (await log.readStream('tag/a')).events;
    assert.deepEqual(
      recorded.map(({ revision }) => revision),
      events.map((_, n) => BigInt(n)),
    );
    assert.deepEqual(idsOf(recorded).sort(), idsOf(events).sort());
  });

  rule('an append of several events has consecutive revisions and nothing between them', async ({ log }) => {
    const appends = Array.from({ length: 10 }, () => someEvents(7));
    await Promise.all(appends.map((events) => log.append('tag/a', 'any', events)));
    const recorded = (await log.readStream('tag/a')).events;
    assert.equal(recorded.length, 70);
    for (const events of appends) {
      const start = recorded.findIndex(({ id }) => id === events[0]?.id);
      assertRecorded(recorded.slice(start, start + 7), 'tag/a', events, BigInt(start));
    }
  });

  rule('the most events an append may have are appended, and one more is refused', async ({ log }) => {
    const most = someEvents(maxEventsPerAppend);
    const position = await log.append('tag/a', 'none', most);
    assertRecorded((await log.readStream('tag/a')).events, 'tag/a', most);
    assert.equal(await log.head(), position);
    await assert.rejects(log.append('tag/a', 'any', someEvents(maxEventsPerAppend + 1)), AppendTooLarge);
    assert.equal(await log.head(), position);
  });

  rule('an append that is over the limit in bytes is refused and changes nothing', async ({ log }) => {
    await assert.rejects(log.append('tag/a', 'none', [largeEvent(maxEventBytes)]), AppendTooLarge);
    const halves = [largeEvent(maxEventBytes / 2), largeEvent(maxEventBytes / 2)];
    await assert.rejects(log.append('tag/a', 'none', halves), AppendTooLarge);
    // Below the limit in characters, above it as UTF-8 and as JSON.
    const euros = anEvent({ text: '€'.repeat(maxEventBytes / 2) });
    await assert.rejects(log.append('tag/a', 'none', [euros]), AppendTooLarge);
    const escapes = anEvent({ text: '\u0000'.repeat(maxEventBytes / 4) });
    await assert.rejects(log.append('tag/a', 'none', [escapes]), AppendTooLarge);
    assert.equal(await log.head(), 0n);
  });

  rule(
    'an append without events, or to a name that some engine cannot store, is refused',
    async ({ log }) => {
      await assert.rejects(log.append('tag/a', 'none', []), RangeError);
      for (const stream of ['', 'tag/\0', 'tag/\ud800', `tag/${'x'.repeat(1024)}`])
        await assert.rejects(log.append(stream, 'none', someEvents(1)), RangeError);
      assert.equal(await log.head(), 0n);
    },
  );

  rule('a repeated append is answered as the first was and adds nothing', async ({ log, open }) => {
    const other = await open();
    const appends: Append[] = [
      { stream: 'tag/a', expectedRevision: 'none', events: someEvents(2) },
      { stream: 'tag/a', expectedRevision: 1n, events: someEvents(3) },
      { stream: 'tag/a', expectedRevision: 'any', events: someEvents(2) },
      { stream: 'tag/b', expectedRevision: 'any', events: someEvents(1) },
    ];
    const positions: bigint[] = [];
    for (const { stream, expectedRevision, events } of appends) {
      const position = await log.append(stream, expectedRevision, events);
      positions.push(position);
      assert.equal(await log.append(stream, expectedRevision, events), position, 'at once');
      assert.equal(await other.append(stream, expectedRevision, events), position, 'by another client');
    }
    const late = await open();
    for (const [n, { stream, expectedRevision, events }] of appends.entries())
      assert.equal(await late.append(stream, expectedRevision, events), positions[n], 'after others');
    assert.equal((await readWhole(log)).length, 8);
  });

  rule('a repeated append is recognised when many others came after it', async ({ log, open }) => {
    const first = someEvents(2);
    const exact = someEvents(2);
    const firstPosition = await log.append('tag/a', 'none', first);
    const exactPosition = await log.append('tag/a', 1n, exact);
    await Promise.all(someEvents(300).map((event) => log.append('tag/a', 'any', [event])));
    const head = await log.head();
    for (const client of [log, await open()]) {
      assert.equal(await client.append('tag/a', 'none', first), firstPosition);
      assert.equal(await client.append('tag/a', 1n, exact), exactPosition);
    }
    assert.equal(await log.head(), head);
  });

  rule('repeats beside the first append are answered alike and add nothing', async ({ log, open }) => {
    const other = await open();
    const repeat = async (stream: string, expected: ExpectedRevision) => {
      const events = someEvents(2);
      const clients = [log, other, log, other];
      const positions = await Promise.all(clients.map((client) => client.append(stream, expected, events)));
      assert.equal(new Set(positions).size, 1, `one answer with the expectation ${expected}`);
    };
    let revision: ExpectedRevision = 'none';
    for (let round = 1; round <= 5; round++) {
      await repeat('tag/exact', revision);
      await repeat('tag/any', 'any');
      revision = BigInt(round * 2 - 1);
    }
    assert.equal((await readWhole(log)).length, 20);
  });

  rule('appends to several streams are all made, and a repeat adds nothing', async ({ log }) => {
    const appends: Append[] = ['artifact/a@sha256:1', 'tag/a', 'tag/b'].map((stream) => ({
      stream,
      expectedRevision: 'none',
      events: someEvents(2),
    }));
    const position = await log.appendMany(appends);
    assert.equal(await log.head(), position);
    assert.equal(await log.appendMany(appends), position);
    for (const { stream, events } of appends)
      assertRecorded((await log.readStream(stream)).events, stream, events);
    assert.equal((await readWhole(log)).length, 6);
  });

  const kept = appendsManyAtomically ? 'keeps none of them' : 'keeps those before it';
  rule(`a conflict in one of several appends ${kept}`, async ({ log }) => {
    await log.append('tag/b', 'none', [anEvent()]);
    const before = anEvent();
    const appends: Append[] = [
      { stream: 'tag/a', expectedRevision: 'none', events: [before] },
      { stream: 'tag/b', expectedRevision: 'none', events: [anEvent()] },
      { stream: 'tag/c', expectedRevision: 'none', events: [anEvent()] },
    ];
    await assert.rejects(log.appendMany(appends), (error) => {
      assert.ok(error instanceof RevisionConflict);
      assert.equal(error.stream, 'tag/b');
      return true;
    });
    const streams = (await readWhole(log)).map(({ stream }) => stream);
    assert.deepEqual(streams, appendsManyAtomically ? ['tag/b'] : ['tag/b', 'tag/a']);
  });

  rule('a refused append among many concurrent ones fails alone', async ({ log }) => {
    await log.append('tag/taken', 'none', [anEvent()]);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 60 }, (_, n) => {
        if (n === 20) return log.append('tag/taken', 'none', [anEvent()]);
        if (n === 40) return log.append('tag/large', 'none', [largeEvent(maxEventBytes)]);
        return log.append(`tag/${n}`, 'none', someEvents(2));
      }),
    );
    const failed = outcomes.flatMap((outcome, n) => (outcome.status === 'rejected' ? [n] : []));
    assert.deepEqual(failed, [20, 40]);
    assert.ok((outcomes[20] as PromiseRejectedResult).reason instanceof RevisionConflict);
    assert.ok((outcomes[40] as PromiseRejectedResult).reason instanceof AppendTooLarge);
    assert.equal((await readWhole(log)).length, 1 + 58 * 2);
  });
}
