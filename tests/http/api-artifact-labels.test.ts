import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { addMember, ask, createdId, createProject, createUser, faultOf, json } from './api-client.ts';
import { pushImage, send } from './client.ts';

const server = await startServer({ after });
const projectId = await createProject(server, 'team');
const otherId = await createProject(server, 'other');
await createUser(server, 'jane');
const labelOf = async (name: string, id?: number) =>
  createdId(
    await ask(server, 'POST', '/labels', {
      body: id === undefined ? { name, scope: 'g' } : { name, scope: 'p', project_id: id },
    }),
  );
const ofSystem = await labelOf('global');
const ofTeam = await labelOf('ours', projectId);
const ofOther = await labelOf('theirs', otherId);

const artifactAt = (repository: string, reference: string, project = 'team') =>
  `/projects/${project}/repositories/${repository}/artifacts/${reference}`;
const add = (path: string, id: unknown, as?: string) =>
  ask(server, 'POST', `${path}/labels`, { body: { id }, ...(as !== undefined && { as }) });
const remove = (path: string, id: number | string, as?: string) =>
  ask(server, 'DELETE', `${path}/labels/${id}`, { ...(as !== undefined && { as }) });

test('a label is added to an artifact once and taken off once, by tag or digest', async () => {
  const { digest } = await pushImage(server, 'team/app', '1.0');
  const byTag = artifactAt('app', '1.0');
  const byDigest = artifactAt('app', digest);
  assert.equal((await add(byTag, ofTeam)).status, 200);
  const again = await add(byDigest, ofTeam);
  assert.deepEqual([again.status, faultOf(again).code], [409, 'CONFLICT']);
  assert.equal((await add(artifactAt('app', digest.replace(':', '%3A')), ofSystem)).status, 200);
  assert.equal((await remove(byDigest, ofTeam)).status, 200);
  assert.equal((await remove(byTag, ofTeam)).status, 404);
  assert.equal((await add(byTag, ofTeam)).status, 200);
});

const shown = async (path: string) => json(await ask(server, 'GET', path));
const idsOf = (labels: readonly { id: number }[] | null) => labels?.map(({ id }) => id) ?? null;

test('an artifact is shown with its labels, by name, where they are asked for', async () => {
  const { digest } = await pushImage(server, 'team/shown', 'latest');
  const path = artifactAt('shown', digest);
  assert.equal((await shown(`${path}?with_label=true`)).labels, null);
  for (const id of [ofTeam, ofSystem]) assert.equal((await add(path, id)).status, 200);
  const { labels } = await shown(`${path}?with_label=true`);
  assert.deepEqual(idsOf(labels), [ofSystem, ofTeam]);
  assert.deepEqual(labels[1], await shown(`/labels/${ofTeam}`));
  for (const query of ['', '?with_label=false']) assert.equal((await shown(path + query)).labels, null);
  const [listed] = await shown('/projects/team/repositories/shown/artifacts?with_label=true');
  assert.deepEqual(idsOf(listed.labels), [ofSystem, ofTeam]);
});

test('artifacts are listed that have all of some labels', async () => {
  const digests: string[] = [];
  for (const mark of ['both', 'one', 'none'])
    digests.push((await pushImage(server, 'team/filtered', mark, mark)).digest);
  const [both = '', one = ''] = digests;
  const label = await labelOf('filtering', projectId);
  const [ofBoth, ofOne] = [artifactAt('filtered', both), artifactAt('filtered', one)];
  for (const [path, id] of [
    [ofBoth, label],
    [ofBoth, ofSystem],
    [ofOne, label],
  ] as const)
    assert.equal((await add(path, id)).status, 200);
  const list = async (q: string, base = '/projects/team/repositories/filtered/artifacts') => {
    const answer = await ask(server, 'GET', `${base}?q=${encodeURIComponent(encodeURIComponent(q))}`);
    const found = json(answer).map(({ digest }: { digest: string }) => digest);
    assert.equal(answer.headers['x-total-count'], String(found.length));
    return found;
  };
  assert.deepEqual(await list(`labels=(${label})`), [one, both]);
  assert.deepEqual(await list(`labels=(${label} ${ofSystem} ${label})`), [both]);
  assert.deepEqual(await list(`labels=(${label}),labels=(${ofSystem})`), [both]);
  assert.deepEqual(await list(`labels=(${label}),tags=one`), [one]);
  assert.deepEqual(await list(`labels=(${label} 999999)`), []);
  assert.deepEqual(await list(`labels=(${2 ** 40})`), []);
  assert.deepEqual(await list(`labels=(${label})`, '/projects/team/artifacts'), [one, both]);
  const latest =
    '/projects/team/artifacts?latest_in_repository=true&q=media_type%3Dapplication/octet-stream,';
  assert.deepEqual(
    (await shown(`${latest}labels%3D(${label})`)).map(({ digest }: { digest: string }) => digest),
    [one],
  );

  assert.equal((await ask(server, 'DELETE', `/labels/${label}`)).status, 200);
  assert.deepEqual(await list(`labels=(${label})`), []);
  assert.equal((await shown(`${ofOne}?with_label=true`)).labels, null);
});

for (const q of [
  'labels=1',
  'labels=~1',
  'labels={1 2}',
  'labels=[1~2]',
  'labels=()',
  'labels=(a)',
  'labels=(-1)',
]) {
  test(`artifacts are not listed by ${q}`, async () => {
    await pushImage(server, 'team/asked', 'latest');
    const list = `/projects/team/repositories/asked/artifacts?q=${encodeURIComponent(q)}`;
    assert.equal((await ask(server, 'GET', list)).status, 400);
  });
}

test('a label of another project, or none, is not found', async () => {
  await pushImage(server, 'team/scoped', 'latest');
  const path = artifactAt('scoped', 'latest');
  for (const id of [ofOther, 999_999, 0, 2 ** 40, undefined, null])
    assert.equal((await add(path, id)).status, 404, String(id));
  for (const id of [ofOther, 999_999]) assert.equal((await remove(path, id)).status, 404);
  assert.equal((await add(path, 'ours')).status, 422);
  assert.equal((await remove(path, 'ours')).status, 422);
});

test('an artifact that is not there has no labels', async () => {
  await pushImage(server, 'team/there', 'latest');
  const missing = [
    artifactAt('there', 'other'),
    artifactAt('there', `sha256:${'0'.repeat(64)}`),
    artifactAt('there', 'sha256:short'),
    artifactAt('there', '-bad-'),
    artifactAt('absent', 'latest'),
    artifactAt('NO', 'latest'),
    artifactAt('a%252Fb%2500c', 'latest'),
  ];
  for (const path of missing) {
    assert.equal((await add(path, ofTeam)).status, 404, path);
    assert.equal((await remove(path, ofTeam)).status, 404, path);
  }
});

test('slashes of a repository are encoded once or twice', async () => {
  await pushImage(server, 'team/a/b', 'latest');
  assert.equal((await add(artifactAt('a%2Fb', 'latest'), ofTeam)).status, 200);
  assert.equal((await remove(artifactAt('a%252Fb', 'latest'), ofTeam)).status, 200);
});

test('an artifact that is pushed again after it was deleted begins without labels', async () => {
  const { digest } = await pushImage(server, 'team/again', 'latest');
  const path = artifactAt('again', digest);
  assert.equal((await add(path, ofTeam)).status, 200);
  assert.equal((await send(server, 'DELETE', `/v2/team/again/manifests/${digest}`)).status, 202);
  assert.equal((await add(path, ofTeam)).status, 404);
  await pushImage(server, 'team/again', 'latest');
  assert.equal((await shown(`${path}?with_label=true`)).labels, null);
  assert.equal((await remove(path, ofTeam)).status, 404);
  assert.equal((await add(path, ofTeam)).status, 200);
});

test('a label that is deleted is on no artifact, nor is the next one of its name', async () => {
  const { digest } = await pushImage(server, 'team/labelled', 'latest');
  const path = artifactAt('labelled', digest);
  const id = await labelOf('short-lived', projectId);
  assert.equal((await add(path, id)).status, 200);
  assert.equal((await ask(server, 'DELETE', `/labels/${id}`)).status, 200);
  assert.equal((await remove(path, id)).status, 404);
  const next = await labelOf('short-lived', projectId);
  assert.notEqual(next, id);
  assert.equal((await remove(path, next)).status, 404);
});

test('of many who add one label at once, one succeeds', async () => {
  await pushImage(server, 'team/raced', 'latest');
  const answers = await Promise.all(
    Array.from({ length: 6 }, () => add(artifactAt('raced', 'latest'), ofTeam)),
  );
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 409, 409, 409, 409, 409]);
});

test('a deletion and a label that is added at once end in no artifact, whichever comes first', async () => {
  for (let round = 0; round < 5; round += 1) {
    const { digest } = await pushImage(server, 'team/fleeting', 'latest', `round ${round}`);
    const path = artifactAt('fleeting', digest);
    const [added, deleted] = await Promise.all([
      add(path, ofTeam),
      send(server, 'DELETE', `/v2/team/fleeting/manifests/${digest}`),
    ]);
    assert.ok([200, 404].includes(added.status));
    assert.equal(deleted.status, 202);
    assert.equal((await remove(path, ofTeam)).status, 404);
  }
});

test('labels are put on artifacts by developers and mightier ones', async () => {
  await pushImage(server, 'team/roles', 'latest');
  const path = artifactAt('roles', 'latest');
  const cases = [
    ['projectAdmin', 200],
    ['maintainer', 200],
    ['developer', 200],
    ['guest', 403],
    ['limitedGuest', 403],
  ] as const;
  for (const [role, status] of cases) {
    const as = `by-${role.toLowerCase()}`;
    await createUser(server, as);
    await addMember(server, 'team', as, role);
    assert.equal((await add(path, ofTeam, as)).status, status, role);
    assert.equal((await remove(path, ofTeam, as)).status, status, role);
  }
  assert.equal((await add(path, ofTeam, 'jane')).status, 403);
  assert.equal((await add(path, ofTeam, '')).status, 401);
  assert.equal((await remove(path, ofTeam, '')).status, 401);
});

test('a project that is not there is like one that the asker may not see', async () => {
  const path = artifactAt('x', 'y', 'absent');
  for (const [as, status] of [
    ['', 401],
    ['jane', 403],
    [undefined, 404],
  ] as const)
    assert.equal((await add(path, ofTeam, as)).status, status);
});
