import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { addMember, api, ask, createdId, createProject, createUser, faultOf, json } from './api-client.ts';
import { header } from './client.ts';

const server = await startServer({ after });
const projectId = await createProject(server, 'team');
for (const name of ['jane', 'guest', 'stranger']) await createUser(server, name);
await addMember(server, 'team', 'jane', 'developer');
await addMember(server, 'team', 'guest', 'guest');

const rule = {
  disabled: false,
  action: 'retain',
  template: 'latestPushedK',
  params: { latestPushedK: 10 },
  tag_selectors: [{ kind: 'doublestar', decoration: 'matches', pattern: '**', extras: '{"untagged":true}' }],
  scope_selectors: { repository: [{ kind: 'doublestar', decoration: 'repoMatches', pattern: '**' }] },
};
const policyOf = (ref: unknown, more: object = {}) => ({
  algorithm: 'or',
  scope: { level: 'project', ref },
  trigger: { kind: 'Schedule', settings: { cron: '' }, references: {} },
  rules: [rule],
  ...more,
});
const create = (ref: unknown, more: object = {}, as?: string) =>
  ask(server, 'POST', '/retentions', { body: policyOf(ref, more), ...(as !== undefined && { as }) });
const projectOf = async (name: string) => json(await ask(server, 'GET', `/projects/${name}`));
const teamId = createdId(await create(projectId, {}, 'jane'));
let fresh = 0;
/** A project of its own, with a policy. */
async function withPolicy(more: object = {}) {
  fresh += 1;
  const name = `fresh-${fresh}`;
  const id = await createProject(server, name);
  return { name, projectId: id, policyId: createdId(await create(id, more)) };
}

test('the rules that there can be are described for whoever has logged in', async () => {
  const { templates, scope_selectors, tag_selectors } = json(
    await ask(server, 'GET', '/retentions/metadatas', { as: 'stranger' }),
  );
  assert.deepEqual(
    templates.map(({ rule_template, action, params }: Record<string, unknown>) => [
      rule_template,
      action,
      params,
    ]),
    [
      ['latestPushedK', 'retain', [{ type: 'int', unit: 'COUNT', required: true }]],
      ['latestPulledN', 'retain', [{ type: 'int', unit: 'COUNT', required: true }]],
      ['nDaysSinceLastPull', 'retain', [{ type: 'int', unit: 'DAYS', required: true }]],
      ['nDaysSinceLastPush', 'retain', [{ type: 'int', unit: 'DAYS', required: true }]],
      ['always', 'retain', []],
    ],
  );
  assert.deepEqual(scope_selectors, [
    { display_text: 'Repositories', kind: 'doublestar', decorations: ['repoMatches', 'repoExcludes'] },
  ]);
  assert.deepEqual(tag_selectors, [
    { display_text: 'Tags', kind: 'doublestar', decorations: ['matches', 'excludes'] },
  ]);
  assert.equal((await ask(server, 'GET', '/retentions/metadatas', { as: '' })).status, 401);
});

test('a policy is created, found by the setting of its project, changed and deleted', async () => {
  const { name, projectId: ref, policyId } = await withPolicy();
  const { metadata } = await projectOf(name);
  assert.equal(metadata.retention_id, String(policyId));
  const path = `/retentions/${policyId}`;
  assert.deepEqual(json(await ask(server, 'GET', path)), {
    id: policyId,
    algorithm: 'or',
    scope: { level: 'project', ref },
    trigger: { kind: 'Schedule', settings: { cron: '' }, references: {} },
    rules: [{ id: 1, priority: 0, ...rule }],
  });

  const other = { ...rule, disabled: true, template: 'always', params: {}, priority: 3 };
  const changed = await ask(server, 'PUT', path, { body: policyOf(ref, { rules: [rule, other] }) });
  assert.equal(changed.status, 200);
  assert.deepEqual(
    json(await ask(server, 'GET', path)).rules.map(
      ({ id, template, params, disabled }: Record<string, unknown>) => [id, template, params, disabled],
    ),
    [
      [1, 'latestPushedK', { latestPushedK: 10 }, false],
      [2, 'always', {}, true],
    ],
  );

  assert.equal((await ask(server, 'DELETE', path)).status, 200);
  assert.equal((await ask(server, 'GET', path)).status, 404);
  assert.equal((await projectOf(name)).metadata.retention_id, undefined);
  const next = await create(ref);
  assert.equal(header(next, 'location'), `${api}/retentions/${createdId(next)}`);
});

test('a policy with no rules, as Terraform leaves it, is one', async () => {
  const { projectId: ref, policyId } = await withPolicy({ rules: [] });
  assert.deepEqual(json(await ask(server, 'GET', `/retentions/${policyId}`)).rules, []);
  const emptied = { scope: { level: 'project', ref }, trigger: { settings: { cron: '' } }, rules: null };
  assert.equal((await ask(server, 'PUT', `/retentions/${policyId}`, { body: emptied })).status, 200);
});

test('a policy is found that was made without all that goes without saying', async () => {
  const bare = {
    template: 'always',
    tag_selectors: [{ decoration: 'excludes', pattern: 'v*' }],
    scope_selectors: { repository: [{ decoration: 'repoExcludes', pattern: 'old/**' }] },
  };
  const trigger = { settings: { cron: '0 0 0 * * *' } };
  const { policyId } = await withPolicy({ algorithm: undefined, trigger, rules: [bare] });
  const shown = json(await ask(server, 'GET', `/retentions/${policyId}`));
  assert.equal(shown.trigger.settings.cron, '0 0 0 * * *');
  assert.match(shown.trigger.settings.next_scheduled_time, /T00:00:00\.000Z$/);
  assert.ok(Number.isInteger(shown.trigger.references.job_id));
  assert.deepEqual(shown.rules[0].tag_selectors, [
    { kind: 'doublestar', decoration: 'excludes', pattern: 'v*', extras: '' },
  ]);
});

test('a project has one policy, also where many are made at once', async () => {
  const again = await create(projectId);
  assert.equal(again.status, 400);
  assert.deepEqual(faultOf(again), {
    code: 'BAD_REQUEST',
    message: `project ${projectId} already has retention policy ${teamId}`,
  });
  const id = await createProject(server, 'raced');
  const answers = await Promise.all(Array.from({ length: 5 }, () => create(id)));
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [201, 400, 400, 400, 400]);
});

const longRules = Array.from({ length: 5 }, (_, place) => ({
  ...rule,
  tag_selectors: [{ kind: 'doublestar', decoration: 'matches', pattern: `${place}${'x'.repeat(900)}` }],
}));
const refused: readonly (readonly [string, object, number])[] = [
  ['no scope', { scope: undefined }, 400],
  ['a scope of the system', { scope: { level: 'system', ref: projectId } }, 400],
  ['no project', { scope: { level: 'project' } }, 400],
  ['the project 0', { scope: { level: 'project', ref: 0 } }, 400],
  ['a negative project', { scope: { level: 'project', ref: -1 } }, 400],
  ['a project that is not there', { scope: { level: 'project', ref: 999_999 } }, 400],
  ['a huge project', { scope: { level: 'project', ref: 2 ** 40 } }, 400],
  ['a project that is no number', { scope: { level: 'project', ref: 'team' } }, 422],
  ['another algorithm', { algorithm: 'and' }, 400],
  ['another trigger', { trigger: { kind: 'Event' } }, 400],
  ['a cron with five fields', { trigger: { kind: 'Schedule', settings: { cron: '0 0 * * *' } } }, 400],
  ['a cron every second', { trigger: { kind: 'Schedule', settings: { cron: '* * * * * *' } } }, 400],
  ['a cron that is never due', { trigger: { kind: 'Schedule', settings: { cron: '0 0 0 30 2 *' } } }, 400],
  ['a cron that is a number', { trigger: { kind: 'Schedule', settings: { cron: 7 } } }, 422],
  ['rules that are no list', { rules: {} }, 422],
  [
    '16 rules',
    { rules: Array.from({ length: 16 }, (_, n) => ({ ...rule, params: { latestPushedK: n } })) },
    400,
  ],
  ['one rule twice', { rules: [rule, rule] }, 409],
  ['patterns that are too long together', { rules: longRules }, 400],
  ['an unknown template', { rules: [{ ...rule, template: 'x' }] }, 400],
  ['another action', { rules: [{ ...rule, action: 'delete' }] }, 400],
  ['no number', { rules: [{ ...rule, params: {} }] }, 400],
  ['no parameters', { rules: [{ ...rule, params: null }] }, 400],
  ['a negative number', { rules: [{ ...rule, params: { latestPushedK: -1 } }] }, 400],
  ['half an artifact', { rules: [{ ...rule, params: { latestPushedK: 0.5 } }] }, 400],
  ['a number that is a text', { rules: [{ ...rule, params: { latestPushedK: '1' } }] }, 400],
  ['a huge number', { rules: [{ ...rule, params: { latestPushedK: 1e300 } }] }, 400],
  [
    'too many days',
    { rules: [{ ...rule, template: 'nDaysSinceLastPush', params: { nDaysSinceLastPush: 40_001 } }] },
    400,
  ],
  ['a parameter of objects', { rules: [{ ...rule, template: '__proto__', params: {} }] }, 400],
  ['no tag selector', { rules: [{ ...rule, tag_selectors: [] }] }, 400],
  ['no scope selector', { rules: [{ ...rule, scope_selectors: {} }] }, 400],
  ['scope selectors that are none', { rules: [{ ...rule, scope_selectors: null }] }, 400],
  [
    'a pattern that cannot be read',
    { rules: [{ ...rule, tag_selectors: [{ decoration: 'matches', pattern: '{a' }] }] },
    400,
  ],
  [
    'a pattern with a NUL',
    { rules: [{ ...rule, tag_selectors: [{ decoration: 'matches', pattern: 'a\0' }] }] },
    400,
  ],
  [
    'half a character',
    { rules: [{ ...rule, tag_selectors: [{ decoration: 'matches', pattern: 'a\ud800' }] }] },
    400,
  ],
  [
    'another kind of selector',
    { rules: [{ ...rule, tag_selectors: [{ kind: 'regexp', decoration: 'matches', pattern: 'a' }] }] },
    400,
  ],
  [
    'the decoration of the other selector',
    { rules: [{ ...rule, tag_selectors: [{ decoration: 'repoMatches', pattern: 'a' }] }] },
    400,
  ],
];
for (const [what, more, status] of refused)
  test(`a policy with ${what} is refused with ${status}, whether new or changed`, async () => {
    assert.equal((await create(projectId, more)).status, status);
    const body = policyOf(projectId, more);
    const changed = await ask(server, 'PUT', `/retentions/${teamId}`, { body });
    // There it is of another project.
    const isElsewhere = /^(a project that is not there|a huge project)$/.test(what);
    assert.equal(changed.status, isElsewhere ? 404 : status);
  });

test('extras of selectors are kept as they were sent, be they JSON or not', async () => {
  for (const extras of ['["untagged":True]', '', '{"untagged":false}']) {
    const rules = [{ ...rule, tag_selectors: [{ decoration: 'matches', pattern: '**', extras }] }];
    const { policyId } = await withPolicy({ rules });
    assert.equal(
      json(await ask(server, 'GET', `/retentions/${policyId}`)).rules[0].tag_selectors[0].extras,
      extras,
    );
  }
});

test('two rules that differ in one thing alone are two', async () => {
  const rules = [rule, { ...rule, disabled: true }, { ...rule, params: { latestPushedK: 11 } }];
  await withPolicy({ rules });
});

test('a policy stays that of its project', async () => {
  const { policyId } = await withPolicy();
  const answer = await ask(server, 'PUT', `/retentions/${policyId}`, { body: policyOf(projectId) });
  assert.equal(answer.status, 404);
});

test('a policy that there is not is not found, and cannot be deleted', async () => {
  for (const id of ['0', '-1', '999999', '4294967297']) {
    assert.equal((await ask(server, 'GET', `/retentions/${id}`)).status, 404, id);
    assert.equal(
      (await ask(server, 'PUT', `/retentions/${id}`, { body: policyOf(projectId) })).status,
      404,
      id,
    );
    assert.equal((await ask(server, 'DELETE', `/retentions/${id}`)).status, 400, id);
  }
  assert.equal((await ask(server, 'GET', '/retentions/x')).status, 422);
  for (const method of ['GET', 'PUT', 'DELETE'])
    assert.equal((await ask(server, method, '/retentions/999999', { as: '', body: {} })).status, 401, method);
});

test('policies are for developers of their project and mightier ones', async () => {
  for (const [as, status] of [
    ['jane', 200],
    ['guest', 403],
    ['stranger', 403],
    ['', 401],
  ] as const) {
    assert.equal((await ask(server, 'GET', `/retentions/${teamId}`, { as })).status, status, as);
    const body = policyOf(projectId);
    assert.equal((await ask(server, 'PUT', `/retentions/${teamId}`, { as, body })).status, status, as);
    if (status !== 200) {
      assert.equal((await ask(server, 'DELETE', `/retentions/${teamId}`, { as })).status, status, as);
      assert.equal((await create(projectId, {}, as)).status, status, as);
      assert.equal((await create(999_999, {}, as)).status, status, as);
    }
  }
});

test('a policy goes with its project, and the next one of its name has none', async () => {
  const { name, policyId } = await withPolicy();
  assert.equal((await ask(server, 'DELETE', `/projects/${name}`)).status, 200);
  assert.equal((await ask(server, 'GET', `/retentions/${policyId}`)).status, 404);
  const next = await createProject(server, name);
  assert.equal((await projectOf(name)).metadata.retention_id, undefined);
  createdId(await create(next));
});

test('nobody sets the policy of a project by its settings', async () => {
  const { name, projectId: id } = await withPolicy();
  const body = { retention_id: '7' };
  assert.equal((await ask(server, 'PUT', `/projects/${name}/metadatas/retention_id`, { body })).status, 400);
  assert.equal((await ask(server, 'DELETE', `/projects/${name}/metadatas/retention_id`)).status, 400);
  const changed = await ask(server, 'PUT', `/projects/${id}`, { body: { metadata: body } });
  assert.equal(changed.status, 400);
});
