import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startServer } from '../server.ts';
import { addMember, ask, createdId, createProject, createUser, json, personOf } from './api-client.ts';
import { documentOf } from './api-document.ts';
import { type Answer, pushImage } from './client.ts';

/*
 * For every operation of the API's document: who has no right to what it works on, tries it. All that belongs to the
 * project `inner` is marked with the word `inner`, so that no answer to a stranger may hold that word.
 */

const server = await startServer({ after });
const names = ['innerlead', 'limited', 'outerlead'];
const [leadId = 0, limitedId = 0] = await Promise.all(names.map((name) => createUser(server, name)));
const innerId = await createProject(server, 'inner');
await createProject(server, 'outer');
await addMember(server, 'inner', 'innerlead', 'projectAdmin');
const memberId = await addMember(server, 'inner', 'limited', 'limitedGuest');
await addMember(server, 'outer', 'outerlead', 'projectAdmin');
await pushImage(server, 'inner/innerapp', 'innertag');
await pushImage(server, 'outer/app', 'v1');

const catalogue = json(await ask(server, 'GET', '/permissions'));
const robotIn = async (project: string) => {
  const form = {
    name: `${project}bot`,
    level: 'project',
    duration: -1,
    permissions: [{ kind: 'project', namespace: project, access: catalogue.project }],
  };
  const answer = await ask(server, 'POST', '/robots', { body: form });
  return { id: createdId(answer), as: `${json(answer).name}:${json(answer).secret}` };
};
const [innerRobot, outerRobot] = [await robotIn('inner'), await robotIn('outer')];
const createdOf = async (path: string, body: object): Promise<number> =>
  createdId(await ask(server, 'POST', path, { body }));
const labelId = await createdOf('/labels', { name: 'innerlabel', scope: 'p', project_id: innerId });
const rule = {
  tag_selectors: [{ decoration: 'matches', pattern: 'innerlocked' }],
  scope_selectors: { repository: [{ decoration: 'repoMatches', pattern: '**' }] },
};
const ruleId = await createdOf('/projects/inner/immutabletagrules', rule);
const policy = {
  name: 'innerpolicy',
  targets: [{ type: 'http', address: 'https://inner.example.com', auth_header: 'innersecret' }],
  event_types: ['PUSH_ARTIFACT'],
};
const policyId = await createdOf('/projects/inner/webhook/policies', policy);
const groupId = await createdOf('/usergroups', { group_name: 'innergroup', group_type: 3 });

/** The least of them first. */
const roles = ['limitedGuest', 'guest', 'developer', 'maintainer', 'projectAdmin'] as const;
const memberOf: Record<string, string> = { limitedGuest: 'limited', projectAdmin: 'innerlead' };
for (const role of ['guest', 'developer', 'maintainer'] as const) {
  const name = `inner${role}`;
  await createUser(server, name);
  await addMember(server, 'inner', name, role);
  memberOf[role] = name;
}
const ofAll = <Role extends string>(role: Role, ids: string): Record<string, Role> =>
  Object.fromEntries(ids.split(' ').map((id) => [id, role]));

const document = await documentOf(server);
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, { operationId }]) => ({
    id: operationId,
    method: method.toUpperCase(),
    path,
  })),
);

type Values = Readonly<Record<string, string | number>>;
const inner: Values = {
  project_name: 'inner',
  project_name_or_id: innerId,
  repository_name: 'innerapp',
  reference: 'innertag',
  tag_name: 'innertag',
  label_id: labelId,
  robot_id: innerRobot.id,
  mid: memberId,
  user_id: leadId,
  group_id: groupId,
  immutable_rule_id: ruleId,
  webhook_policy_id: policyId,
  meta_name: 'public',
  addition: 'build_history',
};
/** What there is not, for every value above. */
const nowhere: Values = {
  ...Object.fromEntries(Object.keys(inner).map((name) => [name, 987654])),
  project_name: 'nowhere',
  repository_name: 'nothing',
  reference: 'none',
  tag_name: 'none',
  meta_name: 'public',
  addition: 'build_history',
};
const pathOf = (template: string, values: Values): string =>
  template.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? 1));

/** Bodies that would do something, where an empty one would be refused before anybody's rights matter. */
const bodies: Readonly<Record<string, object>> = {
  createProjectMember: { role_id: 1, member_user: { username: 'outerlead' } },
  updateProjectMember: { role_id: 1 },
  updateProject: { metadata: { public: 'true' } },
  updateProjectMetadata: { public: 'true' },
  addProjectMetadatas: { severity: 'low' },
  updateRepository: { description: 'taken' },
  createTag: { name: 'taken' },
  addLabel: { id: labelId },
  UpdateLabel: { name: 'taken', color: '#000000' },
  CreateImmuRule: { ...rule, tag_selectors: [{ decoration: 'matches', pattern: 'taken' }] },
  UpdateImmuRule: { ...rule, id: ruleId, disabled: true },
  CreateWebhookPolicyOfProject: { ...policy, name: 'taken' },
  UpdateWebhookPolicyOfProject: { ...policy, name: 'taken' },
  CreateLabel: { name: 'taken', scope: 'p', project_id: innerId },
  createRetention: { scope: { level: 'project', ref: innerId }, rules: [] },
  startRetentionWhatIf: { scope: { level: 'project', ref: innerId } },
  RefreshSec: { secret: 'Taken-by-a-stranger-1' },
  CreateRobot: {
    name: 'taken',
    level: 'project',
    duration: -1,
    permissions: [
      { kind: 'project', namespace: 'inner', access: [{ resource: 'repository', action: 'pull' }] },
    ],
  },
  updateUserProfile: { email: 'taken@example.com', realname: 'Taken', comment: '' },
  updateUserPassword: { old_password: 'x', new_password: 'Taken-by-a-stranger-1' },
  setUserSysAdmin: { sysadmin_flag: true },
  createUser: personOf('taken'),
  updateUserGroup: { group_name: 'taken' },
};
/** What is asked beside the path. */
const queries: Readonly<Record<string, string>> = {
  ListLabels: `?scope=p&project_id=${innerId}`,
  ListRobot: `?q=Level=project,ProjectID=${innerId}`,
  CopyArtifact: '?from=inner/innerapp:innertag',
  ListWebhookJobs: `?policy_id=${policyId}`,
  headProject: '?project_name=nowhere',
  search: '?q=inner',
  searchAll: '?q=inner',
  searchUsers: '?username=outer',
  searchUserGroups: '?groupname=other',
};

const tryIt = (operation: (typeof operations)[number], as: string, values: Values): Promise<Answer> => {
  const { id, method, path } = operation;
  const hasBody = !['GET', 'HEAD', 'DELETE'].includes(method);
  return ask(server, method, pathOf(path, values) + (queries[id] ?? ''), {
    as,
    ...(hasBody && { body: bodies[id] ?? {} }),
  });
};

/** What anybody, or whoever has logged in, may do to himself or to what is his own or everybody's. */
const harmless = new Set(['createProject', 'updatePreferences', 'deleteOwnSessions']);
const isOfProject = (path: string): boolean => /\{project_name/.test(path);

async function stateOfInner(): Promise<string> {
  const asked = [
    '/projects/inner',
    '/projects/inner/members',
    '/projects/inner/metadatas',
    '/projects/inner/repositories',
    '/projects/inner/repositories/innerapp/artifacts?with_label=true',
    '/projects/inner/immutabletagrules',
    '/projects/inner/webhook/policies',
    '/usergroups',
    '/users',
    `/labels?scope=p&project_id=${innerId}`,
    `/robots?q=Level=project,ProjectID=${innerId}`,
  ];
  const answers = await Promise.all(asked.map((path) => ask(server, 'GET', path)));
  assert.deepEqual(
    answers.map(({ status }) => status),
    asked.map(() => 200),
  );
  // When it was last used is what changes by itself.
  return answers.map(({ body }) => body.toString().replace(/"last_used\w*":("[^"]*"|null)/g, '')).join('\n');
}
const before = await stateOfInner();

const strangers: readonly (readonly [who: string, as: string])[] = [
  ['an administrator of another project', 'outerlead'],
  ['a robot of another project', outerRobot.as],
  ['nobody', ''],
];
for (const [who, as] of strangers)
  for (const operation of operations.filter(({ id }) => !harmless.has(id)))
    test(`${operation.id} gives ${who} nothing of a project that is not theirs`, async () => {
      const answer = await tryIt(operation, as, inner);
      assert.doesNotMatch(answer.body.toString(), /inner/, 'nothing of it is shown');
      if (!isOfProject(operation.path)) return;
      assert.equal(answer.status, as === '' ? 401 : 403, answer.body.toString());
      const elsewhere = await tryIt(operation, as, nowhere);
      assert.equal(elsewhere.status, answer.status, 'and neither that there is one');
      assert.equal(elsewhere.body.toString(), answer.body.toString());
    });

/** The least role that may, by Harbor's matrix; `nobody` for what no role gives. */
const leastRoles: Readonly<Record<string, (typeof roles)[number] | 'nobody'>> = {
  ...ofAll('limitedGuest', 'getProject getProjectSummary listRepositories getRepository listArtifacts'),
  ...ofAll('limitedGuest', 'getArtifact listTags listTagRows listAccessories listArtifactsOfProject'),
  ...ofAll('limitedGuest', 'getAddition getVulnerabilitiesAddition getScannerOfProject getReportLog'),
  ...ofAll('guest', 'listProjectMembers getProjectMember'),
  ...ofAll('developer', 'updateRepository CopyArtifact createTag addLabel removeLabel'),
  ...ofAll('maintainer', 'getProjectMetadata deleteRepository deleteArtifact deleteTag'),
  ...ofAll('maintainer', 'scanArtifact stopScanArtifact'),
  ...ofAll('maintainer', 'ListImmuRules CreateImmuRule UpdateImmuRule DeleteImmuRule'),
  ...ofAll('maintainer', 'ListWebhookPoliciesOfProject GetWebhookPolicyOfProject LastTrigger'),
  ...ofAll('maintainer', 'ListExecutionsOfWebhookPolicy ListTasksOfWebhookExecution GetLogsOfWebhookTask'),
  ...ofAll('maintainer', 'ListWebhookJobs GetSupportedEventTypes'),
  ...ofAll('projectAdmin', 'CreateWebhookPolicyOfProject UpdateWebhookPolicyOfProject'),
  ...ofAll('projectAdmin', 'DeleteWebhookPolicyOfProject'),
  ...ofAll('projectAdmin', 'changeWebhookSecretOfProject removeWebhookSecretOfProject'),
  ...ofAll('maintainer', 'getWebhookPolicyHealthOfProject'),
  ...ofAll('projectAdmin', 'pauseWebhookPolicyOfProject resumeWebhookPolicyOfProject'),
  ...ofAll('projectAdmin', 'testWebhookPolicyOfProject'),
  ...ofAll('projectAdmin', 'updateProject deleteProject getProjectDeletable'),
  ...ofAll('projectAdmin', 'createProjectMember updateProjectMember deleteProjectMember'),
  ...ofAll('projectAdmin', 'addProjectMetadatas updateProjectMetadata deleteProjectMetadata'),
  ...ofAll('projectAdmin', 'setScannerOfProject listScannerCandidatesOfProject'),
  ...ofAll('projectAdmin', 'CreatePolicy ListPolicies GetPolicy UpdatePolicy ManualPreheat DeletePolicy'),
  ...ofAll('projectAdmin', 'ListExecutions GetExecution StopExecution ListTasks GetPreheatLog'),
  ...ofAll('projectAdmin', 'ListProvidersUnderProject getLogs getLogExts'),
  ...ofAll('nobody', 'listProjectMetadatas'),
};

const neededQueries: Readonly<Record<string, string>> = {
  CopyArtifact: '?from=inner/nothing:none',
  ListWebhookJobs: '?policy_id=987654',
};
/** Things in the project that there are not, so that who may does nothing either. */
const nothingIn: Values = {
  ...nowhere,
  project_name: 'inner',
  project_name_or_id: innerId,
  meta_name: 'none',
};

for (const operation of operations.filter(({ path }) => isOfProject(path)))
  test(`${operation.id} is for the roles of a project that Harbor's matrix names, and for no other`, async () => {
    const least = leastRoles[operation.id];
    assert.ok(least !== undefined, 'the table has the operation');
    for (const [rank, role] of roles.entries()) {
      const may = least !== 'nobody' && rank >= roles.indexOf(least);
      const { method, path } = operation;
      const hasBody = !['GET', 'HEAD', 'DELETE'].includes(method);
      const answer = await ask(
        server,
        method,
        pathOf(path, nothingIn) + (neededQueries[operation.id] ?? ''),
        {
          as: memberOf[role] ?? '',
          ...(hasBody && { body: {} }),
        },
      );
      if (may) assert.ok(![401, 403].includes(answer.status), `${role}: ${answer.status}`);
      else assert.equal(answer.status, 403, role);
    }
  });

test('none of all that has changed anything', async () => {
  assert.equal(await stateOfInner(), before);
  assert.equal((await ask(server, 'GET', '/users/current', { as: 'innerlead' })).status, 200);
  assert.equal((await ask(server, 'GET', `/users/${limitedId}`)).status, 200);
});
