import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { until } from '../until.ts';
import { addMember, ask, createdId, createProject, createUser, faultOf, json } from './api-client.ts';
import { pushImage } from './client.ts';

const server = await startServer({ after });
await createProject(server, 'closed');
await createProject(server, 'open', true);
for (const name of ['lead', 'guest', 'stranger']) await createUser(server, name);
await addMember(server, 'closed', 'lead', 'projectAdmin');
await addMember(server, 'closed', 'guest', 'limitedGuest');
const robotBody = (project: string, resource: string, action: string) => ({
  ...{ name: `${project}-${action}`, level: 'project', duration: -1 },
  permissions: [{ kind: 'project', namespace: project, access: [{ resource, action }] }],
});
const made = await ask(server, 'POST', '/robots', { body: robotBody('closed', 'repository', 'pull') });
createdId(made);
const robot = `${json(made).name}:${json(made).secret}`;
await pushImage(server, 'closed/app', '1.0', 'one');
await pushImage(server, 'closed/app', '1.0', 'two');
await pushImage(server, 'open/app', 'latest', 'one');
await ask(server, 'POST', '/projects/closed/members', {
  as: 'guest',
  body: { role_id: 1, member_user: { username: 'stranger' } },
});
await ask(server, 'PUT', '/quotas/2', { body: { hard: { storage: 1_000_000_000 } } });

await until('what is recorded in the background is there', async () => {
  const answer = await ask(server, 'GET', '/events?type=change.refused');
  return json(answer).events.length === 1;
});

// biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the test is about.
type Event = any;
const list = async (query: string, as?: string): Promise<Event[]> => {
  const answer = await ask(server, 'GET', `/events${query}`, as === undefined ? {} : { as });
  assert.equal(answer.status, 200, answer.body.toString());
  return json(answer).events;
};
const all = (as?: string) => list('?limit=100', as);
/** Without logins, which are recorded in the background. */
const ofProjects = () => list('?project=*&limit=100');
const shortOf = ({ type, project }: Event): string => `${type.slice('io.shiplog.'.length)} ${project ?? '-'}`;
const kindsOf = (events: readonly Event[]) => [...new Set(events.map(shortOf))].toSorted();
const textOf = (events: readonly Event[]) => JSON.stringify(events);

test('an administrator is told of everything, with who did it and from where', async () => {
  const events = await all();
  for (const kind of ['user.created -', 'project.created closed', 'tag.moved closed', 'tag.assigned open'])
    assert.ok(kindsOf(events).includes(kind), kind);
  const moved = events.find(({ type }) => type === 'io.shiplog.tag.moved');
  assert.equal(moved.subject, 'closed/app:1.0');
  assert.deepEqual([moved.actor, moved.actorkind, moved.clientip], ['admin', 'user', '127.0.0.1']);
  assert.ok(moved.requestid && moved.correlationid);
  assert.deepEqual(
    events.map(({ sequence }) => sequence),
    events.map(({ sequence }) => sequence).toSorted(),
  );
  assert.doesNotMatch(textOf(events), /argon2|passwordHash|secretHash|sealed|"key"/);
});

test('an administrator of a project is told of it and its log, of public projects, and of nothing else', async () => {
  const events = await all('lead');
  const kinds = kindsOf(events);
  for (const kind of [
    'project.created closed',
    'member.added closed',
    'robot.created closed',
    'quota.set closed',
  ])
    assert.ok(kinds.includes(kind), kind);
  assert.ok(kinds.includes('tag.assigned open') && kinds.includes('artifact.pushed open'));
  assert.deepEqual(
    kinds.filter(
      (kind) => / (?:-|library)$/.test(kind) || /^(?:user|login|project|member)\..* open/.test(kind),
    ),
    [],
  );
  assert.ok(events.find(({ project, type }) => project === 'closed' && /tag/.test(type)).clientip);
});

test('a member is told who did what in the repositories, but not from where, and nothing of the log', async () => {
  const events = await all('guest');
  assert.deepEqual(kindsOf(events), [
    'artifact.pushed closed',
    'artifact.pushed open',
    'quota.set closed',
    'tag.assigned closed',
    'tag.assigned open',
    'tag.moved closed',
  ]);
  const [closed, open] = ['closed', 'open'].map((name) => events.filter(({ project }) => project === name));
  for (const event of closed ?? []) assert.equal(event.actor, 'admin');
  for (const event of events)
    for (const name of ['clientip', 'requestid', 'useragent', 'accesstoken'])
      assert.ok(!(name in event), name);
  for (const event of open ?? []) assert.ok(!('actor' in event) && !('actorkind' in event));
});

test('strangers and nobody are told of public projects alone, and not who did it', async () => {
  for (const as of ['stranger', '']) {
    const events = await all(as);
    assert.deepEqual(kindsOf(events), ['artifact.pushed open', 'tag.assigned open'], as);
    assert.doesNotMatch(textOf(events), /admin|127\.0\.0\.1|closed/);
  }
});

test('a robot is told of what it may pull', async () => {
  const kinds = kindsOf(await all(robot));
  assert.ok(kinds.includes('tag.moved closed') && kinds.includes('tag.assigned open'));
  assert.deepEqual(
    kinds.filter((kind) => !/^(?:artifact|tag|quota)\./.test(kind)),
    [],
  );
});

test('who did it in a public project is not found out by asking for it', async () => {
  assert.deepEqual(await list('?actor=admin', 'stranger'), []);
  assert.deepEqual(await list('?filter=actor:*', ''), []);
  assert.equal((await list('?type=tag.*&actor=admin', 'guest')).length, 2);
  const counted = await ask(server, 'GET', '/events?group=day&from=2026-01-01&actor=admin', { as: '' });
  assert.deepEqual(json(counted), { bars: [] });
});

test('wrong credentials are refused, rather than answered as nobody’s', async () => {
  assert.equal((await ask(server, 'GET', '/events', { as: 'guest:wrong' })).status, 401);
});

test('a change that was refused is told to who may read the log of the project', async () => {
  const [refused, ...others] = await list('?type=change.refused', 'lead');
  assert.deepEqual([refused.project, refused.actor, refused.result], ['closed', 'guest', 'refused']);
  assert.deepEqual(others, []);
  assert.deepEqual(await list('?type=change.refused', 'guest'), []);
  assert.deepEqual(
    (await list('?filter=result:refused', 'lead')).map(({ id }) => id),
    [refused.id],
  );
});

test('events are asked for by type, project, repository, tag, actor and more, in a filter or as parameters', async () => {
  const subjects = async (query: string) => (await list(query)).map(({ subject }) => subject);
  assert.deepEqual(await subjects('?type=tag.moved'), ['closed/app:1.0']);
  assert.deepEqual(await subjects('?filter=type:tag.moved%20project:clo*'), ['closed/app:1.0']);
  assert.deepEqual(await subjects('?type=tag.assigned&type=tag.moved&project=closed'), [
    'closed/app:1.0',
    'closed/app:1.0',
  ]);
  assert.deepEqual(await subjects('?filter=repo:*/app%20tag:lat*'), ['open/app:latest']);
  assert.deepEqual(await subjects('?filter=stream:tag/open/*'), ['open/app:latest']);
  const [moved] = await list('?type=tag.moved');
  assert.equal((await list(`?filter=digest:${moved.digest}%20type:tag.*`)).length, 1);
  assert.equal((await list(`?filter=correlation:${moved.correlationid}`)).length, 2);
  assert.deepEqual(await subjects('?type=tag.moved&actor=nobody'), []);
});

test('pages follow each other without a gap or a repeat, in both directions', async () => {
  const whole = (await ofProjects()).map(({ id }) => id);
  for (const order of ['asc', 'desc']) {
    const ids: string[] = [];
    for (let after: string | null = null, more = true; more; ) {
      const place = after === null ? '' : `&after=${after}`;
      const page = json(await ask(server, 'GET', `/events?project=*&limit=7&order=${order}${place}`));
      ids.push(...page.events.map(({ id }: Event) => id));
      more = page.events.length > 0 && page.next !== null;
      after = page.next;
    }
    assert.deepEqual(order === 'asc' ? ids : ids.toReversed(), whole, order);
  }
});

test('a page of the end says where to go on, and one of the past that there is nothing more', async () => {
  const { next } = json(await ask(server, 'GET', '/events?project=*&limit=100'));
  const end = json(await ask(server, 'GET', `/events?project=*&after=${next}`));
  assert.deepEqual(end.events, []);
  assert.ok(BigInt(end.next) >= BigInt(next));
  const past = json(await ask(server, 'GET', '/events?from=1&to=3&limit=100'));
  assert.deepEqual([past.events.length, past.next], [2, null]);
});

test('a range goes from one position or time to before another', async () => {
  const events = await ofProjects();
  const middle = events[5];
  const from = await list(`?from=${BigInt(middle.sequence)}&limit=1`);
  assert.equal(from[0].id, middle.id);
  const before = await list(`?project=*&to=${BigInt(middle.sequence)}&limit=100`);
  assert.deepEqual(before, events.slice(0, 5));
  const since = await list(`?project=*&from=${encodeURIComponent(middle.time)}&limit=100`);
  assert.deepEqual(
    since,
    events.filter(({ time }) => time >= middle.time),
  );
  assert.deepEqual(await list(`?project=*&to=${encodeURIComponent(events[0].time)}`), []);
});

test('what cannot be asked is refused with the reason', async () => {
  const refused: readonly [string, RegExp][] = [
    ['?filter=tag', /"tag" is not a key/],
    ['?filter=colour:red', /"colour" is not one of type/],
    ['?type=tag.renamed', /there is no such type/],
    ['?from=yesterday', /from in query is neither a position nor a time/],
    ['?from=2026-02-31T25:00:00Z', /neither a position nor a time/],
    ['?from=99999999', /beyond the last event/],
    ['?after=99999999', /beyond the last event.*another log/],
    ['?after=99999999999999999999', /not a position/],
    ['?after=-1', /not a position/],
    ['?from=2999-01-01', /in the future/],
    ['?from=5&to=2', /from in query is after to/],
    ['?from=2026-01-02&to=2026-01-01', /from in query is after to/],
    ['?type=tag%2E%C3%A9', /there is no such type/],
    [`?filter=tag:${'v'.repeat(2000)}`, /at most 2000 characters/],
    ['?filter=tag:%00', /no NUL/],
    ['?wait=1.5', /wait in query/],
    ['?order=up', /order in query is one of asc, desc/],
    ['?wait=61', /wait in query/],
    ['?wait=1&order=desc', /in its own order/],
    ['?wait=1&to=5', /has no end/],
    ['?group=year&from=2026-01-01', /group in query is one of minute, hour, day/],
    ['?group=minute&from=2020-01-01', /more than 5000/],
    ['?group=day', /counted from a time on/],
    ['?group=day&from=2026-01-01&filter=stream:x', /not counted by stream/],
  ];
  for (const [query, message] of refused) {
    const answer = await ask(server, 'GET', `/events${query}`);
    assert.equal(answer.status, 400, `${query}: ${answer.body}`);
    assert.match(faultOf(answer).message, message, query);
  }
  for (const limit of ['0', '101', 'all', '1e2'])
    assert.equal((await ask(server, 'GET', `/events?limit=${limit}`)).status, 422, limit);
});

test('events are counted by hour, of those that the asker may know', async () => {
  const from = new Date(Date.now() - 3_600_000).toISOString();
  const count = async (query: string, as?: string) => {
    const answer = await ask(
      server,
      'GET',
      `/events?group=hour&from=${from}${query}`,
      as === undefined ? {} : { as },
    );
    return (json(answer).bars as { total: number }[]).reduce((sum, { total }) => sum + total, 0);
  };
  assert.equal(await count('&project=*'), (await list('?project=*&limit=100')).length);
  for (const as of ['lead', 'guest', 'stranger', '', robot])
    assert.equal(await count('', as), (await all(as)).length, as);
  assert.equal(await count('&type=tag.*'), 3);
});

test('an event is shown with what was there before, what else the request did, and its neighbours', async () => {
  const [moved] = await list('?type=tag.moved');
  const [assigned] = await list('?type=tag.assigned&project=closed');
  const at = ({ sequence }: Event) => `/events/${BigInt(sequence)}`;
  const shown = json(await ask(server, 'GET', at(moved)));
  assert.deepEqual(shown.event, moved);
  assert.deepEqual(shown.before, { digest: assigned.digest });
  assert.equal(shown.previous.id, assigned.id);
  assert.equal(shown.next, null);
  assert.deepEqual(kindsOf(shown.related), ['artifact.pushed closed']);
  assert.equal(json(await ask(server, 'GET', at(assigned))).next.id, moved.id);

  const forGuest = json(await ask(server, 'GET', at(moved), { as: 'guest' }));
  assert.ok(!('clientip' in forGuest.event));
  assert.equal((await ask(server, 'GET', at(moved), { as: 'stranger' })).status, 404);
  const [created] = await list('?type=user.created');
  assert.equal((await ask(server, 'GET', at(created), { as: 'lead' })).status, 404);
  assert.equal((await ask(server, 'GET', '/events/9999999')).status, 404);
  for (const position of ['first', '-1', '99999999999999999999', '1e3'])
    assert.equal((await ask(server, 'GET', `/events/${position}`)).status, 400, position);
});

test('what happens is waited for, for as long as was asked', async () => {
  const { next } = json(await ask(server, 'GET', '/events?limit=100'));
  const waiting = ask(server, 'GET', `/events?after=${next}&wait=60&type=tag.*`);
  await ask(server, 'PUT', '/projects/closed', { body: { metadata: { auto_scan: 'false' } } });
  await pushImage(server, 'closed/app', '2.0', 'three');
  const page = json(await waiting);
  assert.deepEqual(page.events.map(shortOf), ['tag.assigned closed']);
  assert.ok(BigInt(page.next) >= BigInt(page.events[0].sequence));

  const none = json(await ask(server, 'GET', `/events?after=${page.next}&wait=1&type=user.deleted`));
  assert.deepEqual(none.events, []);
  assert.ok(BigInt(none.next) >= BigInt(page.next));
});

test('who was in an earlier project of a name is told nothing of a later one, nor the other way round', async () => {
  await createProject(server, 'again');
  await addMember(server, 'again', 'stranger', 'projectAdmin');
  await ask(server, 'PUT', '/projects/again', { body: { metadata: { auto_scan: 'true' } } });
  const before = (await list('?project=again', 'stranger')).length;
  assert.ok(before > 0);
  assert.equal((await ask(server, 'DELETE', '/projects/again')).status, 200);
  assert.deepEqual(await list('?project=again', 'stranger'), []);
  await createProject(server, 'again');
  await addMember(server, 'again', 'guest', 'projectAdmin');
  const [created, ...others] = await list('?project=again&type=project.*', 'guest');
  assert.deepEqual([shortOf(created), others.length], ['project.created again', 0]);
  assert.deepEqual(await list('?project=again', 'stranger'), []);
});

test('a page of a time that is over ends, also where nothing has happened since', async () => {
  const past = json(await ask(server, 'GET', '/events?to=2020-01-01'));
  assert.deepEqual(past, { events: [], next: null });
  const now = json(await ask(server, 'GET', `/events?to=${new Date().toISOString()}&limit=100&project=*`));
  assert.notEqual(now.next, null);
});
