import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { parseFilter } from '../../domain/public-event/filter.ts';
import { schemaOf, viewOf } from '../../infra/database/projection.ts';
import { projects } from '../../projections/projects/projection.ts';
import { type PublicEventsDatabase, publicEvents } from '../../projections/public-events/projection.ts';
import { type EventSight, findEvents, type ProjectSet } from '../../projections/public-events/queries.ts';
import { run, startSetting } from './views-setting.ts';

/** Of each thousand one is of project 7, which has no other. */
const count = 5000n;
const setting = await startSetting({ after } as never);
const views = await run(setting, { projections: [projects, publicEvents] });
await views.caughtUp();
await views.database.pool.query(`
  INSERT INTO ${schemaOf(publicEvents)}.events
  SELECT 2 * n, '2026-01-01'::timestamptz + n * interval '1 second', CASE n % 3 WHEN 0 THEN 'tag.moved' ELSE 'artifact.pulled' END,
    'user:dev', 'read', 'done', 'p', CASE n % 1000 WHEN 500 THEN 7 ELSE 1 END, 'p/app', 'v' || n % 9, 'request-' || n / 2
  FROM generate_series(1, ${count}) n`);
const db = viewOf<PublicEventsDatabase>(views.database.kysely, publicEvents);

const nothing: ProjectSet = { all: false, public: false, projectIds: [] };
const stranger: EventSight = { kind: 'some', read: nothing, member: nothing, log: nothing };
const ofSeven: ProjectSet = { ...nothing, projectIds: [7] };
const member: EventSight = { ...stranger, read: ofSeven, member: ofSeven };

/** What is found in all, and in how many steps. */
async function search(sight: EventSight, filter: string, descending: boolean) {
  const range = { after: 0n, before: 2n * count + 1n };
  const found: bigint[] = [];
  for (let steps = 1; ; steps++) {
    const question = { ...range, sight, filter: parseFilter(filter), descending, limit: 3, lookedAt: 400 };
    const { places, lookedTo } = await findEvents(db, question);
    found.push(...places.map(({ position }) => position));
    const last = lookedTo ?? (places.length === 3 ? places.at(-1)?.position : undefined);
    if (last === undefined) return { found, steps };
    if (descending) range.before = last;
    else range.after = last;
  }
}

for (const descending of [false, true])
  test(`events that are few and far between are found step by step, each of which looks at so many rows; ${descending ? 'newest' : 'oldest'} first`, async () => {
    const expected = [1000n, 3000n, 5000n, 7000n, 9000n];
    const asked = descending ? expected.toReversed() : expected;
    const { found, steps } = await search(member, '', descending);
    assert.deepEqual(found, asked);
    assert.ok(steps >= 12 && steps <= 16, `${steps}`);
    assert.deepEqual(await search(stranger, '', descending), { found: [], steps: 13 });
    assert.deepEqual((await search({ kind: 'everything' }, 'tag:nowhere', descending)).found, []);
  });

test('what an index leads to is found in one step', async () => {
  const all: EventSight = { kind: 'everything' };
  assert.deepEqual(await search(all, 'correlation:request-2000', false), { found: [8000n, 8002n], steps: 1 });
  assert.deepEqual(await search(member, 'correlation:request-250', true), { found: [1000n], steps: 1 });
  for (const filter of ['actor:nobody', 'type:user.deleted'])
    assert.deepEqual(await search(all, filter, true), { found: [], steps: 1 }, filter);
});
