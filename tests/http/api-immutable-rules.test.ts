import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { addMember, api, ask, createdId, createProject, createUser, faultOf, json } from './api-client.ts';
import { header } from './client.ts';

const server = await startServer({ after });
const projectId = await createProject(server, 'team');
await createProject(server, 'other');
await createUser(server, 'jane');
await addMember(server, 'team', 'jane', 'maintainer');
const rules = '/projects/team/immutabletagrules';

const tagged = (pattern: string, more: object = {}) => ({ decoration: 'matches', pattern, ...more });
const inRepositories = (pattern: string, more: object = {}) => ({
  decoration: 'repoMatches',
  pattern,
  ...more,
});
const ruleFor = (pattern: string, more: object = {}) => ({
  tag_selectors: [tagged(pattern)],
  scope_selectors: { repository: [inRepositories('**')] },
  ...more,
});
const create = async (body: object): Promise<number> =>
  createdId(await ask(server, 'POST', rules, { body, as: 'jane' }));
const rule = async (id: number) =>
  json(await ask(server, 'GET', `${rules}?page_size=0`)).find((each: { id: number }) => each.id === id);

test('a rule is created, listed, changed and deleted as clients of Harbor do it', async () => {
  const repository = { kind: 'doublestar', decoration: 'repoExcludes', pattern: '{a,b}' };
  const sent = {
    disabled: false,
    action: 'immutable',
    template: 'immutable_template',
    tag_selectors: [
      { kind: 'doublestar', decoration: 'matches', pattern: 'v*', extras: '{"untagged":false}' },
    ],
    scope_selectors: { repository: [{ ...repository, extras: '' }] },
  };
  const created = await ask(server, 'POST', `${rules}/`, { body: sent, as: 'jane' });
  const id = createdId(created);
  assert.equal(header(created, 'location'), `${api}${rules}/${id}`);
  const listed = await ask(server, 'GET', `/projects/${projectId}/immutabletagrules`, { as: 'jane' });
  assert.equal(header(listed, 'x-total-count'), '1');
  const shown = { ...sent, id, priority: 0, scope_selectors: { repository: [repository] } };
  const standard = { forbids: ['move', 'delete'], accessory_tags: false };
  assert.deepEqual(json(listed), [{ ...shown, ...standard }]);

  const tag_selectors = [tagged('w*')];
  const changed = await ask(server, 'PUT', `${rules}/${id}`, { body: { ...shown, tag_selectors } });
  assert.equal(changed.status, 200);
  assert.deepEqual((await rule(id)).tag_selectors, [{ kind: 'doublestar', ...tagged('w*') }]);
  assert.equal((await ask(server, 'DELETE', `${rules}/${id}`, { as: 'jane' })).status, 200);
  assert.deepEqual(json(await ask(server, 'GET', rules)), []);
});

test('what clients of Harbor may leave out is filled in', async () => {
  const id = await create(ruleFor('plain'));
  const { action, template, tag_selectors, scope_selectors } = await rule(id);
  assert.deepEqual([action, template], ['immutable', 'immutable_template']);
  assert.deepEqual([tag_selectors[0].kind, scope_selectors.repository[0].kind], ['doublestar', 'doublestar']);
});

test('a change of whether a rule is disabled is one of nothing else', async () => {
  const id = await create(ruleFor('switched'));
  const put = (body: object) => ask(server, 'PUT', `${rules}/${id}`, { body: { id, ...body } });
  assert.equal((await put(ruleFor('else', { disabled: true }))).status, 200);
  const { disabled, tag_selectors } = await rule(id);
  assert.deepEqual([disabled, tag_selectors[0].pattern], [true, 'switched']);
});

test('what Harbor’s rules do not have stays where a client does not know it', async () => {
  const id = await create(ruleFor('own', { forbids: ['delete'], accessory_tags: true }));
  const put = (body: object) => ask(server, 'PUT', `${rules}/${id}`, { body: { id, ...body } });
  assert.equal((await put(ruleFor('own-2'))).status, 200);
  const { forbids, accessory_tags } = await rule(id);
  assert.deepEqual([forbids, accessory_tags], [['delete'], true]);
  assert.equal((await put(ruleFor('own-2', { forbids: ['delete', 'move', 'move'] }))).status, 200);
  assert.deepEqual((await rule(id)).forbids, ['move', 'delete']);
});

test('a project has one rule with the same selectors', async () => {
  await create(ruleFor('taken'));
  const again = await ask(server, 'POST', rules, { body: ruleFor('taken', { disabled: true }) });
  assert.deepEqual([again.status, faultOf(again).code], [409, 'CONFLICT']);
  const id = await create(ruleFor('free'));
  const body = { id, ...ruleFor('taken') };
  assert.equal((await ask(server, 'PUT', `${rules}/${id}`, { body })).status, 409);
  const elsewhere = await ask(server, 'POST', '/projects/other/immutabletagrules', {
    body: ruleFor('taken'),
  });
  assert.equal(elsewhere.status, 201);
});

test('of many who create one rule at once, one succeeds', async () => {
  const answers = await Promise.all(
    Array.from({ length: 6 }, () => ask(server, 'POST', rules, { body: ruleFor('raced') })),
  );
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [201, 409, 409, 409, 409, 409]);
});

test('a rule of another project, or of none, is not found', async () => {
  const id = await create(ruleFor('here'));
  const other = '/projects/other/immutabletagrules';
  for (const path of [`${other}/${id}`, `${rules}/987654`]) {
    const body = { id: Number(path.split('/').at(-1)), ...ruleFor('there') };
    assert.equal((await ask(server, 'PUT', path, { body })).status, 404, path);
    assert.equal((await ask(server, 'DELETE', path)).status, 404, path);
  }
  assert.equal((await rule(id)).tag_selectors[0].pattern, 'here');
  assert.equal((await ask(server, 'DELETE', `${rules}/${2 ** 40}`)).status, 404);
  const mismatched = await ask(server, 'PUT', `${rules}/${id}`, { body: { id: id + 1, ...ruleFor('x') } });
  assert.equal(mismatched.status, 400);
});

test('rules are listed in pages, by their numbers, and filtered', async () => {
  const first = await create(ruleFor('page-1'));
  const second = await create(ruleFor('page-2', { disabled: true }));
  const ids = async (query: string): Promise<number[]> =>
    json(await ask(server, 'GET', `${rules}?${query}`)).map(({ id }: { id: number }) => id);
  const all = await ids('page_size=0');
  assert.deepEqual(
    all,
    all.toSorted((a, b) => a - b),
  );
  assert.deepEqual(await ids('page=2&page_size=1'), all.slice(1, 2));
  assert.deepEqual(await ids(`q=id%3D${first}`), [first]);
  assert.ok((await ids('q=disabled%3Dtrue')).includes(second));
  assert.deepEqual(await ids('page=999&page_size=15'), []);
});

test('the patterns of a project have a bounded length together', async () => {
  await createProject(server, 'wordy');
  const answers: Awaited<ReturnType<typeof ask>>[] = [];
  for (let place = 0; place < 5; place += 1)
    answers.push(
      await ask(server, 'POST', '/projects/wordy/immutabletagrules', {
        body: ruleFor(`${place}${'x'.repeat(999)}`),
      }),
    );
  assert.deepEqual(
    answers.map(({ status }) => status),
    [201, 201, 201, 201, 400],
  );
  assert.equal(
    faultOf(answers[4] ?? assert.fail()).message,
    "the patterns of a project's immutable tag rules have at most 4096 characters together",
  );
});

const long = 'x'.repeat(1025);
const refused: readonly (readonly [string, object, number])[] = [
  ['nothing', {}, 400],
  ['no tag selector', { ...ruleFor('x'), tag_selectors: [] }, 400],
  ['no repository selector', { ...ruleFor('x'), scope_selectors: {} }, 400],
  ['an empty list of repository selectors', { ...ruleFor('x'), scope_selectors: { repository: [] } }, 400],
  ['two tag selectors', { ...ruleFor('x'), tag_selectors: [tagged('x'), tagged('y')] }, 400],
  ['another action', ruleFor('x', { action: 'retain' }), 400],
  ['another template', ruleFor('x', { template: 'always' }), 400],
  ['an empty pattern', ruleFor(''), 400],
  ['a pattern that is not finished', ruleFor('v{1,2'), 400],
  ['a class that is not closed', ruleFor('v[0-9'), 400],
  ['a long pattern', ruleFor(long), 400],
  ['a pattern with a NUL', ruleFor('a\0b'), 400],
  ['a pattern with half a character', ruleFor('a\ud800b'), 400],
  ['a pattern that is a number', ruleFor(1 as unknown as string), 422],
  ['another kind', { ...ruleFor('x'), tag_selectors: [tagged('x', { kind: 'label' })] }, 400],
  ['no decoration', { ...ruleFor('x'), tag_selectors: [{ pattern: 'x' }] }, 400],
  ['a decoration of repositories', { ...ruleFor('x'), tag_selectors: [inRepositories('x')] }, 400],
  ['a decoration of tags', { ...ruleFor('x'), scope_selectors: { repository: [tagged('x')] } }, 400],
  ['extras with a NUL', { ...ruleFor('x'), tag_selectors: [tagged('x', { extras: '\0' })] }, 400],
  ['nothing forbidden', ruleFor('x', { forbids: [] }), 400],
  ['something unknown forbidden', ruleFor('x', { forbids: ['pull'] }), 422],
  ['selectors that are no list', { ...ruleFor('x'), tag_selectors: 'x' }, 422],
];
for (const [what, body, status] of refused)
  test(`a rule with ${what} is refused`, async () => {
    const answer = await ask(server, 'POST', rules, { body });
    assert.equal(answer.status, status, answer.body.toString());
  });
