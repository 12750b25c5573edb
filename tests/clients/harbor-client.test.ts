import assert from 'node:assert/strict';
import { test } from 'node:test';
import { personOf } from '../http/api-client.ts';
import { digestOf } from '../http/client.ts';
import { startServer } from '../server.ts';
import { startHarborClient } from './harbor-client.ts';

const named = (name: string) => ({ ProjectNameOrID: name, XIsResourceName: true });

test("Harbor's generated client administers people, projects and robots", async (t) => {
  const server = await startServer(t);
  const client = await startHarborClient(t, server);
  if (client === undefined) return;
  const { ask, get, create, status } = client;
  const createUser = (username: string) => create('CreateUser', { UserReq: personOf(username) });
  const createProject = (project_name: string, more: object = {}) =>
    create('CreateProject', { Project: { project_name, ...more } });

  await t.test('the system tells more to who has logged in', async () => {
    assert.equal(await get('GetPing', {}, ''), 'Pong');
    const told = await get('GetSystemInfo', {}, '');
    assert.equal(told.auth_mode, 'db_auth');
    assert.equal(told.harbor_version, undefined);
    const { harbor_version, registry_url, current_time } = await get('GetSystemInfo');
    assert.match(harbor_version, /^v2\.\d+\.\d+-/);
    assert.equal(registry_url, server.registry);
    assert.ok(Math.abs(Date.now() - Date.parse(current_time)) < 60_000);

    const { status: health, components } = await get('GetHealth', {}, '');
    assert.equal(health, 'healthy');
    assert.ok(components.every((component: { status: string }) => component.status === 'healthy'));
    for (const { total, free } of (await get('GetVolumes')).storage) assert.ok(free > 0 && free <= total);
  });

  await t.test('a quota is given, found by its project, changed and used', async () => {
    await createProject('bounded', { storage_limit: 1000 });
    const { project_id } = await get('GetProject', named('bounded'));
    const [quota] = await get('ListQuotas', { Reference: 'project', ReferenceID: String(project_id) });
    assert.deepEqual(
      [quota.ref.name, quota.hard, quota.used],
      ['bounded', { storage: 1000 }, { storage: 0 }],
    );
    const { total } = await ask('ListQuotas', { Sort: '-used.storage', PageSize: 1 });
    assert.ok((total ?? 0) >= 2);
    await get('UpdateQuota', { ID: quota.id, Hard: { hard: { storage: 10 } } });
    assert.deepEqual((await get('GetQuota', { ID: quota.id })).hard, { storage: 10 });
    const { status: pushed } = await server.fetch(
      `/v2/bounded/a/blobs/uploads/?digest=${digestOf('more than ten')}`,
      { method: 'POST', body: 'more than ten' },
    );
    assert.equal(pushed, 403);
    assert.deepEqual((await get('GetProjectSummary', named('bounded'))).quota, {
      hard: { storage: 10 },
      used: { storage: 0 },
    });
    assert.equal(await status('UpdateQuota', { ID: quota.id, Hard: { hard: { storage: 0 } } }), 400);
    assert.equal(await status('GetQuota', { ID: 99_999 }), 404);
    await get('DeleteProject', named('bounded'));
  });

  await t.test('a user is created, found, changed and removed', async () => {
    const id = await createUser('ann');
    await createUser('anna');
    assert.equal(await status('CreateUser', { UserReq: personOf('ann') }), 409);
    const { payload, total } = await ask('ListUsers', { Q: 'username=~ann', Sort: '-username', PageSize: 1 });
    assert.deepEqual([payload.length, payload[0].username, total], [1, 'anna', 2]);
    assert.deepEqual(await get('SearchUsers', { Username: 'ann' }, 'anna'), [
      { user_id: id, username: 'ann' },
      { user_id: id + 1, username: 'anna' },
    ]);

    const profile = { email: 'ann@example.org', realname: 'Ann A.', comment: 'changed' };
    await get('UpdateUserProfile', { UserID: id, Profile: profile }, 'ann');
    const { email, realname, comment, creation_time } = await get('GetCurrentUserInfo', {}, 'ann');
    assert.deepEqual({ email, realname, comment }, profile);
    assert.ok(Math.abs(Date.now() - Date.parse(creation_time)) < 600_000);

    await get('SetUserSysAdmin', { UserID: id, SysadminFlag: { sysadmin_flag: true } });
    assert.equal((await get('GetUser', { UserID: id }, 'ann')).sysadmin_flag, true);
    await get('SetUserSysAdmin', { UserID: id, SysadminFlag: { sysadmin_flag: false } });
    assert.equal(await status('ListUsers', {}, 'ann'), 403);
    assert.equal(await status('ListUsers', {}, ''), 401);
    assert.equal(await status('GetCurrentUserInfo', {}, 'ann:wrong'), 401);

    const secret = { old_password: 'Wrong-1234', new_password: 'Another-Passw0rd' };
    assert.equal(await status('UpdateUserPassword', { UserID: id, Password: secret }, 'ann'), 403);
    await get('UpdateUserPassword', { UserID: id, Password: { new_password: secret.new_password } });
    assert.equal((await get('GetCurrentUserInfo', {}, `ann:${secret.new_password}`)).user_id, id);

    await get('DeleteUser', { UserID: id });
    assert.equal(await status('GetUser', { UserID: id }), 404);
  });

  await t.test('a project is created, found, changed and removed', async () => {
    const id = await createProject('team', { metadata: { public: 'true' }, storage_limit: -1 });
    assert.equal(await status('CreateProject', { Project: { project_name: 'team' } }), 409);
    assert.equal(await status('CreateProject', { Project: { project_name: 'Team' } }), 400);
    const byName = await ask('CreateProject', {
      XResourceNameInLocation: true,
      Project: { project_name: 'by-name' },
    });
    assert.equal(byName.location, '/api/v2.0/projects/by-name');
    assert.equal(await status('HeadProject', { ProjectName: 'team' }), 200);
    assert.equal(await status('HeadProject', { ProjectName: 'none' }), 404);

    const project = await get('GetProject', named('team'));
    assert.deepEqual([project.project_id, project.owner_name, project.repo_count], [id, 'admin', 0]);
    assert.deepEqual(await get('GetProject', { ProjectNameOrID: String(id) }), project);
    await get('UpdateProject', {
      ...named('team'),
      Project: {
        metadata: { public: 'false', auto_scan: 'true', severity: 'high' },
      },
    });
    const { metadata } = await get('GetProject', named('team'));
    assert.deepEqual(metadata, { public: 'false', auto_scan: 'true', severity: 'high' });
    const { project_admin_count, repo_count } = await get('GetProjectSummary', named('team'));
    assert.deepEqual([project_admin_count, repo_count], [1, 0]);

    assert.equal((await get('GetProjectDeletable', named('by-name'))).deletable, true);
    await get('DeleteProject', named('by-name'));
    // Harbor's document has neither of these statuses for it.
    await assert.rejects(get('GetProject', named('by-name')), /status 404/);
    await assert.rejects(get('GetProject', named('by-name'), 'anna'), /status 403/);
  });

  await t.test('a project whose name is a number is told from the one with that number', async () => {
    const id = await createProject('1');
    assert.equal((await get('GetProject', named('1'))).project_id, id);
    assert.equal((await get('GetProject', { ProjectNameOrID: '1', XIsResourceName: false })).name, 'library');
  });

  await t.test(
    'lists of projects are paged, sorted and filtered, also by a query that is escaped twice',
    async () => {
      const first = await ask('ListProjects', { Page: 1, PageSize: 1, Sort: '-name' });
      assert.deepEqual([first.payload[0].name, first.total], ['team', 3]);
      assert.match(first.link ?? '', /<\/api\/v2\.0\/projects\?page=2&page_size=1&sort=-name>; rel="next"/);
      const names = async (params: object) =>
        (await get('ListProjects', { Page: 0, PageSize: 0, ...params })).map(
          ({ name }: { name: string }) => name,
        );
      assert.deepEqual(await names({ Q: '', Sort: '', Name: '' }), ['1', 'library', 'team']);
      for (const Q of ['name=~ea', 'name%3D~ea', 'Name%3D%7Eea%2Cpublic%3Dfalse'])
        assert.deepEqual(await names({ Q }), ['team'], Q);
      assert.deepEqual(await names({ Public: true }), ['library']);
    },
  );

  await t.test('a value of the metadata is added, read, changed and removed by itself', async () => {
    const at = named('team');
    assert.deepEqual(await get('ListProjectMetadatas', at), {
      public: 'false',
      auto_scan: 'true',
      severity: 'high',
    });
    await get('AddProjectMetadatas', { ...at, Metadata: { prevent_vul: 'true' } });
    const one = { ...at, MetaName: 'prevent_vul' };
    assert.deepEqual(await get('GetProjectMetadata', one), { prevent_vul: 'true' });
    await get('UpdateProjectMetadata', { ...one, Metadata: { prevent_vul: 'false' } });
    assert.equal((await get('GetProject', at)).metadata.prevent_vul, 'false');
    await get('DeleteProjectMetadata', one);
    assert.deepEqual(await get('GetProjectMetadata', one), {});
  });

  await t.test('a member is added, read, changed and removed', async () => {
    const at = named('team');
    const add = { ...at, ProjectMember: { role_id: 2, member_user: { username: 'anna' } } };
    const id = await create('CreateProjectMember', add);
    assert.equal(await status('CreateProjectMember', add), 409);
    const member = await get('GetProjectMember', { ...at, Mid: id });
    assert.deepEqual([member.entity_name, member.role_name, member.entity_type], ['anna', 'developer', 'u']);
    assert.deepEqual(await get('ListProjectMembers', { ...at, Entityname: 'anna' }), [member]);
    assert.deepEqual((await get('GetProject', at, 'anna')).current_user_role_ids, [2]);

    await get('UpdateProjectMember', { ...at, Mid: id, Role: { role_id: 1 } });
    assert.equal((await get('ListProjectMembers', at, 'anna')).length, 2);
    const scope = `/project/${(await get('GetProject', at)).project_id}`;
    const may = await get('GetCurrentUserPermissions', { Scope: scope, Relative: true }, 'anna');
    assert.ok(
      may.some(
        ({ resource, action }: Record<string, string>) => resource === 'member' && action === 'create',
      ),
    );
    const { system, project } = await get('GetPermissions', {}, 'anna');
    assert.equal(system, null);
    assert.ok(project.length > 0 && (await get('GetPermissions')).system.length > 0);

    await get('DeleteProjectMember', { ...at, Mid: id });
    assert.equal(await status('GetProjectMember', { ...at, Mid: id }), 404);
    assert.equal(await status('ListProjectMembers', at, 'anna'), 403);
    assert.equal(await status('GetPermissions', {}, 'anna'), 403);
  });

  await t.test(
    'a robot of the system and one of a project are created, found, changed and removed',
    async () => {
      const { project_id } = await get('GetProject', named('team'));
      const pulls = { resource: 'repository', action: 'pull' };
      const inProject = { kind: 'project', namespace: 'team', access: [pulls] };
      const robotOf = (level: string, permissions: readonly object[]) => ({
        Robot: { name: 'ci', level, duration: 30, description: 'of a test', disable: false, permissions },
      });
      const robot = await ask('CreateRobot', robotOf('project', [inProject]));
      assert.equal(robot.status, 201);
      const { id, name, secret, expires_at, creation_time } = robot.payload;
      assert.equal(robot.location, `/api/v2.0/robots/${id}`);
      assert.equal(name, 'robot$team+ci');
      assert.ok(Math.abs(expires_at - Date.parse(creation_time) / 1000 - 30 * 86_400) < 2);
      const system = { kind: 'system', namespace: '/', access: [{ resource: 'project', action: 'list' }] };
      const ofSystem = await ask('CreateRobot', robotOf('system', [system, inProject]));
      assert.equal(ofSystem.payload.name, 'robot$ci');

      // As harbor-cli sends it, so that it arrives escaped twice.
      const Q = `Level%3Dproject%2CProjectID%3D${project_id}`;
      const list = await get('ListRobot', { Q, Page: 0, PageSize: 0, Sort: '' });
      assert.deepEqual(
        list.map((each: { name: string }) => each.name),
        ['robot$team+ci'],
      );
      assert.deepEqual(await get('ListRobot', { Q: `${Q}%2Cname%3Dteam%2Bci` }), list);
      assert.deepEqual(await get('ListRobot', { Q: 'name=ci' }), [
        await get('GetRobotByID', { RobotID: ofSystem.payload.id }),
      ]);

      // A robot is no user, which Harbor says with a status that its document does not have.
      const isRobot = (as: string) => assert.rejects(get('GetCurrentUserInfo', {}, as), /status 412/);
      await isRobot(`${name}:${secret}`);
      assert.equal((await get('ListProjects', {}, `${name}:${secret}`)).length, 2);
      const { secret: refreshed } = await get('RefreshSec', { RobotID: id, RobotSec: {} });
      assert.equal(await status('GetCurrentUserInfo', {}, `${name}:${secret}`), 401);
      await isRobot(`${name}:${refreshed}`);

      const changed = { ...(await get('GetRobotByID', { RobotID: id })), disable: true, duration: -1 };
      await get('UpdateRobot', { RobotID: id, Robot: changed });
      const { disable, duration, expires_at: never } = await get('GetRobotByID', { RobotID: id });
      assert.deepEqual([disable, duration, never], [true, -1, -1]);
      assert.equal(await status('GetCurrentUserInfo', {}, `${name}:${refreshed}`), 401);

      for (const RobotID of [id, ofSystem.payload.id]) {
        await get('DeleteRobot', { RobotID });
        assert.equal(await status('GetRobotByID', { RobotID }), 404);
      }
    },
  );

  await t.test('a group is created, found, changed and removed', async () => {
    const id = await create('CreateUserGroup', { Usergroup: { group_name: 'builders', group_type: 3 } });
    assert.equal(
      await status('CreateUserGroup', { Usergroup: { group_name: 'builders', group_type: 3 } }),
      409,
    );
    await get('UpdateUserGroup', { GroupID: id, Usergroup: { group_name: 'makers' } });
    assert.deepEqual(await get('GetUserGroup', { GroupID: id }), { group_name: 'makers', group_type: 3 });
    assert.deepEqual(await get('ListUserGroups', { GroupName: 'mak', Page: 1, PageSize: 10 }), [
      { id, group_name: 'makers', group_type: 3 },
    ]);
    const found = await get('SearchUserGroups', { Groupname: 'maker' }, 'anna');
    assert.deepEqual(found, [{ id, group_name: 'makers', group_type: 3 }]);

    const at = named('team');
    const member = { ...at, ProjectMember: { role_id: 3, member_group: { id } } };
    const mid = await create('CreateProjectMember', member);
    const { entity_name, entity_type } = await get('GetProjectMember', { ...at, Mid: mid });
    assert.deepEqual([entity_name, entity_type], ['makers', 'g']);
    await get('DeleteUserGroup', { GroupID: id });
    assert.equal(await status('GetUserGroup', { GroupID: id }), 404);
    assert.equal(await status('GetProjectMember', { ...at, Mid: mid }), 404);
  });

  await t.test('the configuration is read and changed', async () => {
    const { robot_name_prefix, read_only, token_expiration } = await get('GetConfigurations');
    assert.deepEqual(robot_name_prefix, { editable: true, value: 'robot$' });
    assert.deepEqual(read_only, { editable: true, value: false });
    assert.deepEqual(token_expiration, { editable: true, value: 30 });
    await get('UpdateConfigurations', {
      Configurations: { token_expiration: 20, project_creation_restriction: 'adminonly' },
    });
    assert.equal((await get('GetConfigurations')).token_expiration.value, 20);
    assert.equal((await get('GetSystemInfo', {}, 'anna')).project_creation_restriction, 'adminonly');
    await assert.rejects(create('CreateProject', { Project: { project_name: 'own' } }, 'anna'), /status 403/);
    assert.equal(await status('GetConfigurations', {}, 'anna'), 403);
    assert.equal(await status('GetConfigurations', {}, ''), 401);
  });

  await t.test('a rule for immutable tags is created, found, changed and removed', async () => {
    const rule = {
      action: 'immutable',
      template: 'immutable_template',
      tag_selectors: [{ kind: 'doublestar', decoration: 'matches', pattern: 'v*' }],
      scope_selectors: {
        repository: [{ kind: 'doublestar', decoration: 'repoMatches', pattern: '**' }],
      },
    };
    const id = await create('CreateImmuRule', { ...named('team'), ImmutableRule: rule });
    await assert.rejects(create('CreateImmuRule', { ...named('team'), ImmutableRule: rule }), /status 409/);
    const [shown, ...more] = await get('ListImmuRules', named('team'));
    assert.deepEqual([{ ...shown, id: 0 }, shown.id, more], [{ ...shown, ...rule, id: 0 }, id, []]);
    const at = { ...named('team'), ImmutableRuleID: id };
    await get('UpdateImmuRule', { ...at, ImmutableRule: { ...shown, disabled: true } });
    assert.equal((await get('ListImmuRules', named('team')))[0].disabled, true);
    await get('DeleteImmuRule', at);
    assert.deepEqual(await get('ListImmuRules', named('team')), []);
  });

  await t.test('a retention policy is created, found by its project, changed, run and removed', async () => {
    const { project_id: ref } = await get('GetProject', named('team'));
    const rule = {
      action: 'retain',
      template: 'nDaysSinceLastPush',
      params: { nDaysSinceLastPush: 7 },
      tag_selectors: [
        { kind: 'doublestar', decoration: 'matches', pattern: '**', extras: '{"untagged":true}' },
      ],
      scope_selectors: {
        repository: [{ kind: 'doublestar', decoration: 'repoMatches', pattern: '**' }],
      },
    };
    const policy = {
      algorithm: 'or',
      scope: { level: 'project', ref },
      trigger: { kind: 'Schedule', settings: { cron: '0 0 0 * * *' }, references: {} },
      rules: [rule],
    };
    const ID = await create('CreateRetention', { Policy: policy });
    assert.equal(await status('CreateRetention', { Policy: policy }), 400);
    assert.equal((await get('GetProject', named('team'))).metadata.retention_id, String(ID));
    const shown = await get('GetRetention', { ID });
    assert.deepEqual([shown.id, shown.scope, shown.rules], [ID, policy.scope, [{ ...rule, id: 1 }]]);
    assert.equal(shown.trigger.settings.cron, '0 0 0 * * *');
    await get('UpdateRetention', { ID, Policy: { ...shown, rules: [{ ...rule, disabled: true }] } });
    assert.equal((await get('GetRetention', { ID })).rules[0].disabled, true);

    const Eid = await create('TriggerRetentionExecution', { ID, Body: { dry_run: true } });
    const [execution] = await get('ListRetentionExecutions', { ID });
    assert.deepEqual([execution.id, execution.policy_id, execution.trigger], [Eid, ID, 'Manual']);
    await get('OperateRetentionExecution', { ID, Eid, Body: { action: 'stop' } });
    assert.deepEqual(await get('ListRetentionTasks', { ID, Eid }), []);
    assert.equal((await get('GetRentenitionMetadata')).templates.length, 5);
    await get('DeleteRetention', { ID });
    assert.equal((await get('GetProject', named('team'))).metadata.retention_id, undefined);
  });

  await t.test('a webhook policy is created, found, changed and removed', async () => {
    const policy = {
      name: 'chat',
      enabled: true,
      event_types: ['PUSH_ARTIFACT', 'QUOTA_WARNING'],
      targets: [{ type: 'http', address: 'https://example.com/hook', auth_header: 'Bearer x' }],
    };
    const id = await create('CreateWebhookPolicyOfProject', { ...named('team'), Policy: policy });
    const again = create('CreateWebhookPolicyOfProject', { ...named('team'), Policy: policy });
    await assert.rejects(again, /status 409/);
    const at = { ...named('team'), WebhookPolicyID: id };
    const shown = await get('GetWebhookPolicyOfProject', at);
    assert.deepEqual(
      [shown.name, shown.creator, shown.enabled, shown.targets],
      ['chat', 'admin', true, [{ ...policy.targets[0], payload_format: 'Default' }]],
    );
    await get('UpdateWebhookPolicyOfProject', { ...at, Policy: { ...shown, name: 'talk' } });
    assert.deepEqual(
      (await get('ListWebhookPoliciesOfProject', named('team'))).map(({ name }: { name: string }) => name),
      ['talk'],
    );
    const triggers = await get('LastTrigger', named('team'));
    assert.deepEqual(
      triggers.map(({ event_type }: Record<string, string>) => event_type),
      policy.event_types,
    );
    assert.deepEqual((await get('GetSupportedEventTypes', named('team'))).notify_type, ['http', 'slack']);
    assert.deepEqual(await get('ListExecutionsOfWebhookPolicy', at), []);
    assert.deepEqual(await get('ListWebhookJobs', { ...named('team'), PolicyID: id }), []);
    await get('DeleteWebhookPolicyOfProject', at);
    assert.equal(await status('GetWebhookPolicyOfProject', at), 404);
  });

  await t.test('the lists of what is not there are empty', async () => {
    for (const list of [
      ...[
        'ListRegistries',
        'ListRegistryProviderTypes',
        'ListReplicationPolicies',
        'ListReplicationExecutions',
      ],
      ...['ListScanners', 'ListInstances', 'ListProviders', 'ListVulnerabilities'],
    ])
      assert.deepEqual(await get(list), [], list);
    assert.deepEqual(await get('ListPolicies', { ProjectName: 'team' }), []);
    assert.deepEqual(await get('ListProvidersUnderProject', { ProjectName: 'team' }), []);
  });

  await t.test('what cannot be done yet is refused with a reason that the client shows', async () => {
    for (const [operation, params] of [
      ['CreateRegistry', { Registry: { name: 'other', url: 'https://example.com', type: 'docker-hub' } }],
      ['CreateReplicationPolicy', { Policy: { name: 'copy' } }],
      ['CreateScanner', { Registration: { name: 'scanner', url: 'https://example.com' } }],
      ['CreateInstance', { Instance: { name: 'network' } }],
    ] as const) {
      const { status: refused, payload } = await ask(operation, params);
      assert.equal(refused, 400, operation);
      assert.match(payload.errors[0].message, / yet$/);
    }
  });
});
