import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startGateways } from '../gateways.ts';
import { until } from '../until.ts';
import { addMember, ask, createProject, createUser, json } from './api-client.ts';
import { pushImage } from './client.ts';
import { followEvents } from './event-client.ts';

test('what happens at one gateway is told at the other, and who may know of it is the same', async (t) => {
  const { one, other } = await startGateways(t, { SHIPLOG_EVENTS_HEARTBEAT_SECONDS: '1' });
  await createProject(one, 'team');
  await createUser(one, 'dev');
  const memberId = await addMember(one, 'team', 'dev', 'developer');
  const atOther = await followEvents(t, other, '?project=team&type=tag.*', { as: 'dev' });
  await pushImage(one, 'team/app', 'v1', 'one');
  await atOther.has(1);

  await t.test('a stream goes on at the other gateway where it has ended at the first', async () => {
    await pushImage(other, 'team/app', 'v2', 'two');
    const atOne = await followEvents(t, one, '?project=team&type=tag.*', {
      as: 'dev',
      lastEventId: atOther.events[0]?.id ?? '',
    });
    await atOne.has(1);
    await atOther.has(2);
    assert.deepEqual(atOne.events, atOther.events.slice(1));
    atOne.close();
  });

  await t.test('a page shows at once what the other gateway has recorded', async () => {
    for (const [pushes, reads] of [
      [one, other],
      [other, one],
    ] as const) {
      await pushImage(pushes, 'team/page', 'latest', pushes.url);
      const page = json(
        await ask(reads, 'GET', '/events?type=tag.*&repository=team/page&order=desc&limit=1'),
      );
      assert.equal(page.events.length, 1);
    }
  });

  await t.test('who was removed at one gateway is told nothing more by the other', async () => {
    const seen = atOther.events.length;
    const witness = await followEvents(t, other, '?project=team&type=tag.*');
    assert.equal((await ask(one, 'DELETE', `/projects/team/members/${memberId}`)).status, 200);
    await pushImage(one, 'team/app', 'v9', 'nine');
    await until('the push is told', () => witness.events.some(({ data }) => data.tag === 'v9'));
    const last = BigInt(witness.lastId());
    await until('the stream is further', () => BigInt(atOther.lastId()) >= last);
    assert.ok(!atOther.events.some(({ data }) => data.tag === 'v9'));
    assert.ok(atOther.events.length >= seen);
  });
});
