import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { recordJson } from '../../domain/audit/record.ts';
import { type AuditTarget, TargetUnavailable } from '../../infra/audit-targets/port.ts';
import { auditRecord, hostileText } from '../audit-records.ts';

/** What a receiver has read of a record, out of whatever form it came in. */
export type ReadRecord = Readonly<Record<string, unknown>>;

export interface TargetUnderTest {
  /** A target with a time-out of a second. */
  readonly target: AuditTarget;
  /** All that was received, strictly parsed. */
  received(): readonly ReadRecord[];
  /** Refuses connections, and breaks those that are open. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Takes connections and answers nothing. */
  hang(): void;
}

const never = new AbortController().signal;

/** What the port promises of every target; `fields` are those that its form carries, by their names in JSON. */
export function auditTargetContract(
  name: string,
  fields: readonly string[],
  start: (t: TestContext) => Promise<TargetUnderTest>,
): void {
  const shown = (of: ReadRecord) => Object.fromEntries(fields.map((field) => [field, of[field]]));
  const take = async ({ target }: TargetUnderTest, records: Parameters<AuditTarget['send']>[0]) => {
    const { refused, settled } = await target.send(records, never);
    assert.deepEqual(refused, []);
    await settled;
  };

  test(`${name}: takes records in their order, with all that its form has room for`, async (t) => {
    const under = await start(t);
    const records = [
      auditRecord(),
      auditRecord({ succeeded: false, actor: 'bob' }),
      auditRecord({ actorKind: 'robot', actor: 'robot$team+ci', operation: 'pull_artifact' }),
    ];
    await take(under, records);
    await take(under, [auditRecord({ eventId: records[0]?.eventId ?? '' })]);
    const expected = [...records, records[0]].map((record) => shown(recordJson(record ?? auditRecord())));
    assert.deepEqual(under.received().map(shown), expected);
  });

  test(`${name}: no text breaks the form`, async (t) => {
    const under = await start(t);
    const hostile = auditRecord({
      actor: hostileText,
      resource: hostileText,
      description: hostileText,
      userAgent: hostileText,
      reason: hostileText,
    });
    const next = auditRecord();
    await take(under, [hostile, next]);
    assert.deepEqual(
      under.received().map(({ event_id }) => event_id),
      [hostile.eventId, next.eventId],
    );
  });

  test(`${name}: takes thousands of records at once`, async (t) => {
    const under = await start(t);
    const records = Array.from({ length: 3000 }, () => auditRecord());
    await take(under, records);
    assert.deepEqual(
      under.received().map(({ event_id }) => event_id),
      records.map(({ eventId }) => eventId),
    );
  });

  test(`${name}: what is away, or does not answer, may be tried again`, async (t) => {
    const under = await start(t);
    const record = auditRecord();
    await under.stop();
    await assert.rejects(take(under, [record]), TargetUnavailable);
    await under.start();
    await take(under, [record]);
    under.hang();
    await assert.rejects(
      take(
        under,
        Array.from({ length: 50 }, () => auditRecord()),
      ),
      TargetUnavailable,
    );
    await under.stop();
    await under.start();
    await take(under, [record]);
    assert.ok(under.received().filter(({ event_id }) => event_id === record.eventId).length >= 2);
  });

  test(`${name}: who is told to end does not wait for an answer`, async (t) => {
    const under = await start(t);
    under.hang();
    const over = new AbortController();
    const sending = (async () => {
      const { settled } = await under.target.send([auditRecord()], over.signal);
      under.target.close();
      await settled;
    })();
    const ended = assert.rejects(sending);
    over.abort(new Error('over'));
    await ended;
  });
}
