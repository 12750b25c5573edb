import assert from 'node:assert/strict';
import { test } from 'node:test';
import { catalogue } from '../../domain/catalogue.ts';
import type { DomainEvent } from '../../domain/event.ts';
import { viewOf } from '../../infra/database/projection.ts';
import { type MembersDatabase, members } from '../../projections/members/projection.ts';
import {
  countRoles,
  findMember,
  listMembers,
  membershipsOf,
  rolesOf,
} from '../../projections/members/queries.ts';
import { projects } from '../../projections/projects/projection.ts';
import { type RobotsDatabase, robots } from '../../projections/robots/projection.ts';
import { findRobot, findRobotById, listRobots } from '../../projections/robots/queries.ts';
import { userGroups } from '../../projections/user-groups/projection.ts';
import { type UsersDatabase, users } from '../../projections/users/projection.ts';
import { findLoginUser } from '../../projections/users/queries.ts';
import { seeded } from '../faults/oci-client.ts';
import { rowsAfter } from './views-rows.ts';
import { run, type Setting, startSetting } from './views-setting.ts';

const event = (type: string, data: object): DomainEvent => ({ type, data });
const createdUser = (username: string, userId: number, more: object = {}) =>
  event('UserCreated', {
    username,
    userId,
    administrator: false,
    passwordHash: `hash of ${username}`,
    emailKey: null,
    profile: null,
    ...more,
  });

/** What has no part in the comparison: times, and revisions of the streams that the test makes up. */
const plain = (rows: readonly Record<string, unknown>[] | undefined) =>
  rows?.map(({ created_at, updated_at, credential_version, secret_version, ...row }) => row);

/** The tables as the queries ask for them, after `rowsAfter` has left them up to date. */
async function tablesOf<Tables>(setting: Setting, projection: typeof users | typeof robots | typeof members) {
  const { database, close } = await run(setting, { projections: [projection], catalogue });
  await close();
  return viewOf<Tables>(database.kysely, projection);
}

test('users: who can log in with what, as the last events say', async (t) => {
  const setting = await startSetting(t);
  const { users: rows } = await rowsAfter(setting, users, [
    {
      ...event('UserCreated', { username: 'admin', userId: 1, administrator: true, passwordHash: 'x' }),
      version: 1,
    },
    createdUser('jane', 3, { emailKey: 'key-jane', profile: 'sealed' }),
    createdUser('john', 4),
    event('UserPasswordChanged', { username: 'jane', userId: 3, passwordHash: 'second hash' }),
    event('UserAdministratorChanged', { username: 'john', userId: 4, administrator: true }),
    event('UserProfileChanged', { username: 'john', userId: 4, emailKey: 'key-john', profile: 'sealed too' }),
    createdUser('gone', 5, { emailKey: 'key-gone' }),
    event('UserDeleted', { username: 'gone', userId: 5 }),
    createdUser('again', 6),
    event('UserDeleted', { username: 'again', userId: 6 }),
    createdUser('again', 7),
    event('UserPasswordChanged', { username: 'again', userId: 6, passwordHash: 'too late' }),
  ]);
  const row = (username: string, user_id: number, more: object = {}) => ({
    username,
    user_id,
    administrator: false,
    password_hash: `hash of ${username}`,
    email_key: null,
    profile: null,
    ...more,
  });
  assert.deepEqual(plain(rows), [
    row('admin', 1, { administrator: true, password_hash: 'x' }),
    row('again', 7),
    row('jane', 3, { password_hash: 'second hash', email_key: 'key-jane', profile: 'sealed' }),
    row('john', 4, { administrator: true, email_key: 'key-john', profile: 'sealed too' }),
  ]);

  const db = await tablesOf<UsersDatabase>(setting, users);
  const jane = await findLoginUser(db, 'jane');
  assert.deepEqual(await findLoginUser(db, 'key-jane'), jane);
  assert.deepEqual([jane?.userId, jane?.passwordHash], [3, 'second hash']);
  for (const nobody of ['gone', 'key-gone', 'Jane', ''])
    assert.equal(await findLoginUser(db, nobody), undefined);
});

test('users: the version of a password grows with each change, also over who had the name before', async (t) => {
  const setting = await startSetting(t);
  const history = [
    createdUser('jane', 3),
    event('UserPasswordChanged', { username: 'jane', userId: 3, passwordHash: 'second' }),
    event('UserDeleted', { username: 'jane', userId: 3 }),
    createdUser('jane', 4),
  ];
  const versions: number[] = [];
  const runner = await run(setting, { projections: [users], catalogue });
  for (const { type, data } of history) {
    const added = {
      id: crypto.randomUUID(),
      type,
      version: type === 'UserCreated' ? 2 : 1,
      data,
      metadata: { actor: 'system' },
    };
    await runner.reached(await setting.log.append('user/jane', 'any', [added]), [users]);
    const found = await findLoginUser(viewOf<UsersDatabase>(runner.database.kysely, users), 'jane');
    if (found !== undefined) versions.push(found.credentialVersion);
  }
  await runner.close();
  assert.deepEqual(versions, [0, 1, 3]);
});

test('users: somebody who is called like the key of an address does not stand in for who has it', async (t) => {
  const setting = await startSetting(t);
  await rowsAfter(setting, users, [createdUser('jane', 3, { emailKey: 'key' }), createdUser('key', 4)]);
  const found = await findLoginUser(await tablesOf<UsersDatabase>(setting, users), 'key');
  assert.equal(found?.userId, 4);
});

test('projects: their settings, until they are deleted', async (t) => {
  const setting = await startSetting(t);
  const created = (name: string, projectId: number) =>
    event('ProjectCreated', { name, projectId, public: false, owner: 'admin', storageLimit: null });
  const { projects: rows } = await rowsAfter(setting, projects, [
    created('team', 2),
    event('ProjectMetadataChanged', { name: 'team', projectId: 2, public: true, metadata: { a: '1' } }),
    created('gone', 3),
    event('ProjectDeleted', { name: 'gone', projectId: 3 }),
    created('again', 4),
    event('ProjectDeleted', { name: 'again', projectId: 4 }),
    created('again', 5),
    event('ProjectMetadataChanged', { name: 'again', projectId: 4, public: true, metadata: { too: 'late' } }),
    event('ProjectCveAllowlistChanged', {
      name: 'team',
      projectId: 2,
      cveIds: ['CVE-2021-44228'],
      expiresAt: 4102444800,
    }),
  ]);
  const withoutTimes = plain(rows)?.map(({ cve_allowlist, ...row }) => {
    const { updatedAt, ...allowlist } = cve_allowlist as Record<string, unknown>;
    assert.match(String(updatedAt), /^\d{4}-.*Z$/);
    return { ...row, ...allowlist };
  });
  assert.deepEqual(withoutTimes, [
    {
      name: 'again',
      project_id: 5,
      public: false,
      metadata: {},
      owner: 'admin',
      cveIds: [],
      expiresAt: null,
    },
    {
      name: 'team',
      project_id: 2,
      public: true,
      metadata: { a: '1' },
      owner: 'admin',
      cveIds: ['CVE-2021-44228'],
      expiresAt: 4102444800,
    },
  ]);
});

const memberOf = (memberId: number, projectId: number, entityType: 'user' | 'group', entityId: number) => ({
  memberId,
  projectId,
  project: `project-${projectId}`,
  entityType,
  entityId,
  entityName: `${entityType}-${entityId}`,
});

test('members: the role of each in each project, until the membership, the user or the project ends', async (t) => {
  const setting = await startSetting(t);
  const added = (memberId: number, projectId: number, userId: number) =>
    event('MemberAdded', { ...memberOf(memberId, projectId, 'user', userId), role: 'guest' });
  const { members: rows } = await rowsAfter(setting, members, [
    added(1, 1, 3),
    added(2, 1, 4),
    added(3, 2, 3),
    added(4, 2, 4),
    added(5, 3, 3),
    event('MemberRoleChanged', { ...memberOf(3, 2, 'user', 3), role: 'maintainer' }),
    event('MemberRemoved', memberOf(1, 1, 'user', 3)),
    event('UserDeleted', { username: 'user-4', userId: 4 }),
    event('ProjectDeleted', { name: 'project-3', projectId: 3 }),
  ]);
  assert.deepEqual(plain(rows), [
    { member_id: 3, project_id: 2, user_id: 3, group_id: null, name: 'user-3', role: 'maintainer' },
  ]);
  const db = await tablesOf<MembersDatabase>(setting, members);
  assert.deepEqual(await rolesOf(db, 2, { userId: 3 }), ['maintainer']);
  assert.deepEqual(await rolesOf(db, 1, { userId: 3 }), []);
  assert.deepEqual(await rolesOf(db, 2, { userId: 4 }), []);
});

test('members: a group gives its role to who is in it, under the name that it has now, until it is deleted', async (t) => {
  const setting = await startSetting(t);
  const group = (groupId: number) => ({ groupId, groupType: 'oidc', name: `group-${groupId}` });
  const joined = (memberId: number, projectId: number, groupId: number, role: string) =>
    event('MemberAdded', { ...memberOf(memberId, projectId, 'group', groupId), role });
  await rowsAfter(setting, members, [
    event('UserGroupCreated', { ...group(1), dn: null }),
    event('UserGroupCreated', { ...group(2), dn: null }),
    event('MemberAdded', { ...memberOf(1, 1, 'user', 2), role: 'guest' }),
    joined(2, 1, 1, 'developer'),
    joined(3, 1, 2, 'maintainer'),
    joined(4, 2, 1, 'guest'),
    joined(5, 2, 2, 'guest'),
    event('UserGroupRenamed', { ...group(1), name: 'builders', from: 'group-1' }),
    event('UserGroupDeleted', group(2)),
    // Decided before, and recorded after.
    joined(6, 3, 2, 'projectAdmin'),
  ]);
  const db = await tablesOf<MembersDatabase>(setting, members);
  const both = { userId: 2, groupIds: [1, 2] };
  assert.deepEqual((await rolesOf(db, 1, both)).toSorted(), ['developer', 'guest']);
  assert.deepEqual(await rolesOf(db, 1, { userId: 1 }), [], 'a group is not the user of its number');
  assert.deepEqual(await rolesOf(db, 3, both), []);
  assert.deepEqual(
    (await membershipsOf(db, both)).map(({ projectId, role }) => `${projectId} ${role}`).toSorted(),
    ['1 developer', '1 guest', '2 guest'],
  );
  const listed = await listMembers(db, 1, undefined, { offset: 0, limit: undefined });
  assert.deepEqual(
    [listed.total, ...listed.rows.map(({ entityName }) => entityName)],
    [2, 'builders', 'user-2'],
  );
  assert.equal((await listMembers(db, 3, undefined, { offset: 0, limit: undefined })).total, 0);
  assert.deepEqual([...(await countRoles(db, 1))].toSorted(), [
    ['developer', 1],
    ['guest', 1],
  ]);
  assert.equal(await findMember(db, 3, 6), undefined);
});

test('user groups: what each is called, until it is deleted', async (t) => {
  const setting = await startSetting(t);
  const group = (groupId: number, name: string) => ({ groupId, groupType: 'oidc', name });
  const { user_groups: rows } = await rowsAfter(setting, userGroups, [
    event('UserGroupCreated', { ...group(1, 'one'), dn: null }),
    event('UserGroupCreated', { ...group(2, 'two'), groupType: 'ldap', dn: 'cn=two' }),
    event('UserGroupCreated', { ...group(3, 'three'), dn: null }),
    event('UserGroupRenamed', { ...group(1, 'first'), from: 'one' }),
    event('UserGroupDeleted', group(3, 'three')),
  ]);
  assert.deepEqual(rows, [
    { group_id: 1, group_type: 'oidc', name: 'first', dn: null },
    { group_id: 2, group_type: 'ldap', name: 'two', dn: 'cn=two' },
  ]);
});

const pullFrom = (project: string) => ({ scope: { kind: 'project', project }, access: ['repository:pull'] });
const everything = { scope: { kind: 'system' }, access: ['project:list'] };
const settings = (permissions: readonly object[]) => ({
  description: 'builds',
  disabled: false,
  durationDays: 30,
  expiresAt: '2025-01-31T00:00:00.000Z',
  permissions,
});
const createdRobot = (name: string, robotId: number, projectId: number | null, ...permissions: object[]) =>
  event('RobotCreated', {
    name,
    robotId,
    project: projectId === null ? null : `project-${projectId}`,
    projectId,
    ...settings(permissions),
    secretHash: `hash of ${name}`,
    createdAt: '2025-01-01T00:00:00.000Z',
    creatorType: 'local',
    creatorRef: 1,
  });

test('robots: what each may do now, and that a project takes its robots and what was given for it along', async (t) => {
  const setting = await startSetting(t);
  const project = (projectId: number) =>
    event('ProjectCreated', {
      name: `project-${projectId}`,
      projectId,
      public: false,
      owner: 'admin',
      storageLimit: null,
    });
  await rowsAfter(setting, robots, [
    project(2),
    project(3),
    createdRobot('ci', 1, null, pullFrom('project-2'), pullFrom('project-3'), everything),
    createdRobot('project-2+ci', 2, 2, pullFrom('project-2')),
    createdRobot('project-3+ci', 3, 3, pullFrom('project-3')),
    event('RobotChanged', {
      name: 'project-3+ci',
      robotId: 3,
      ...settings([pullFrom('project-3'), pullFrom('*')]),
      disabled: true,
      durationDays: -1,
      expiresAt: null,
    }),
    event('RobotSecretChanged', { name: 'project-3+ci', robotId: 3, secretHash: 'second hash' }),
    createdRobot('gone', 4, null, everything),
    event('RobotDeleted', { name: 'gone', robotId: 4 }),
    createdRobot('again', 5, null, everything, pullFrom('project-3')),
    event('RobotDeleted', { name: 'again', robotId: 5 }),
    createdRobot('again', 6, null, pullFrom('*')),
    event('ProjectDeleted', { name: 'project-2', projectId: 2 }),
  ]);
  const db = await tablesOf<RobotsDatabase>(setting, robots);
  const found = async (name: string) => {
    const robot = await findRobot(db, name);
    if (robot === undefined) return undefined;
    const { secretVersion, ...rest } = robot;
    return rest;
  };
  const common = { previous: null, disabled: false, expiresAt: new Date('2025-01-31T00:00:00Z') };
  assert.deepEqual(await found('ci'), {
    name: 'ci',
    robotId: 1,
    secretHash: 'hash of ci',
    ...common,
    project: null,
    permissions: [pullFrom('project-3'), everything],
  });
  assert.deepEqual(await found('project-3+ci'), {
    name: 'project-3+ci',
    robotId: 3,
    secretHash: 'second hash',
    previous: null,
    disabled: true,
    expiresAt: null,
    project: 'project-3',
    permissions: [pullFrom('project-3'), pullFrom('*')],
  });
  assert.deepEqual((await found('again'))?.permissions, [pullFrom('*')]);
  for (const nobody of ['project-2+ci', 'gone', 'CI', '']) assert.equal(await found(nobody), undefined);
});

test('robots: however events follow each other, all at once leave what they leave one by one', async (t) => {
  const setting = await startSetting(t);
  const seed = Date.now() % 2 ** 32;
  t.diagnostic(`seed ${seed}`);
  const random = seeded(seed);
  const oneOf = (count: number) => Math.floor(random() * count);
  const permissions = () => Array.from({ length: oneOf(3) }, () => pullFrom(`project-${oneOf(3)}`));
  const ids = new Map<string, number>();
  let lastId = 0;
  const history = Array.from({ length: 150 }, () => {
    const name = `robot-${oneOf(6)}`;
    const which = { name, robotId: ids.get(name) ?? 0 };
    switch (ids.has(name) ? oneOf(5) : 0) {
      case 0:
        lastId += 1;
        ids.set(name, lastId);
        return createdRobot(name, lastId, oneOf(2) === 0 ? null : oneOf(3), ...permissions());
      case 1:
        return event('RobotSecretChanged', { ...which, secretHash: `hash ${lastId} ${oneOf(1000)}` });
      case 2:
        ids.delete(name);
        return event('RobotDeleted', which);
      case 3: {
        const projectId = oneOf(3);
        return event('ProjectDeleted', { name: `project-${projectId}`, projectId });
      }
      default:
        return event('RobotChanged', { ...which, ...settings(permissions()) });
    }
  });
  await rowsAfter(setting, robots, history);
});

test('robots: a time that PostgreSQL does not know does not stop the view', async (t) => {
  const setting = await startSetting(t);
  const [{ data }] = [createdRobot('ci', 1, null, everything)];
  const { robots: rows } = await rowsAfter(setting, robots, [
    event('RobotCreated', { ...(data as object), expiresAt: '+010239-01-31T00:00:00.000Z' }),
  ]);
  assert.deepEqual(
    rows?.map(({ expires_at }) => expires_at),
    [new Date('9999-12-31T23:59:59.999Z')],
  );
});

test('robots: what is recorded for a project after it is gone does not fall to the next one of its name', async (t) => {
  const setting = await startSetting(t);
  const which = (projectId: number) => ({ name: 'project-2', projectId });
  const made = (projectId: number) =>
    event('ProjectCreated', { ...which(projectId), public: false, owner: 'admin', storageLimit: null });
  await rowsAfter(setting, robots, [
    made(2),
    createdRobot('changed', 1, null, everything),
    event('ProjectDeleted', which(2)),
    createdRobot('project-2+late', 2, 2, pullFrom('project-2')),
    createdRobot('late', 3, null, pullFrom('project-2'), everything),
    event('RobotChanged', { name: 'changed', robotId: 1, ...settings([pullFrom('project-2')]) }),
    made(5),
    createdRobot('early', 4, null, pullFrom('project-2')),
  ]);
  const db = await tablesOf<RobotsDatabase>(setting, robots);
  const given = async (name: string) => (await findRobot(db, name))?.permissions;
  assert.equal(await given('project-2+late'), undefined);
  assert.equal(await findRobotById(db, 2), undefined);
  assert.equal((await listRobots(db, 2, { filters: [], sort: [], offset: 0, limit: 10 })).total, 0);
  assert.deepEqual(await given('late'), [everything]);
  assert.deepEqual(await given('changed'), []);
  assert.deepEqual(await given('early'), [pullFrom('project-2')]);
});
