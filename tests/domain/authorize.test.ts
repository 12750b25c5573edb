import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authorize, type ProjectScope } from '../../domain/access/authorize.ts';
import type { Permission } from '../../domain/access/permission.ts';
import { actorOf, type Principal, type RobotPermission } from '../../domain/access/principal.ts';
import { type Role, roles } from '../../domain/access/role.ts';

/** Harbor's matrix; a column each for the five roles, the mightiest first, and for everybody in a public project. */
const matrix = `
xxxxxx  project: read
x-----  project: update, delete
xxxxxx  accessory: list
xxx---  artifact: create
xxxxxx  artifact: read, list
xx----  artifact: delete
xxxxxx  artifact-addition: read
xxx---  artifact-label: create, delete
xxxxx-  configuration: read
x-----  configuration: update
xxx---  export-cve: create, read, list
xx----  immutable-tag: create, update, delete, list
xx----  label: create, update, delete
xxxx-x  label: read, list
x-----  log: list
x-----  member: create, update, delete
xxxx--  member: read, list
x-----  metadata: create, update, delete
xx----  metadata: read
x-----  notification-policy: create, update, delete
xx----  notification-policy: read, list
x-----  preheat-policy: create, read, update, delete, list
xxxxx-  quota: read
xxx---  repository: create, update, push
xxxxx-  repository: read
xx----  repository: delete
xxxxxx  repository: list, pull
x-----  robot: create, update, delete
xxxx--  robot: read, list
xx----  sbom: create, stop
xxxxx-  sbom: read
xx----  scan: create, stop
xxxxxx  scan: read
x-----  scanner: create
xxxxxx  scanner: read
xxx---  tag: create
xx----  tag: delete
xxxxxx  tag: list
xxx---  tag-retention: create, read, update, delete, list, operate
`;

interface Cell {
  readonly permission: Permission;
  readonly holders: readonly (Role | 'anyone')[];
}

const columns = [...roles, 'anyone'] as const;
const cells: readonly Cell[] = matrix
  .trim()
  .split('\n')
  .flatMap((line) => {
    const [, marks = '', resource = '', actions = ''] = /^([x-]{6}) {2}(\S+): (.*)$/.exec(line) ?? [];
    const holders = columns.filter((_, index) => marks[index] === 'x');
    return actions.split(', ').map((action): Cell => ({ permission: `${resource}:${action}`, holders }));
  });

const anonymous: Principal = { kind: 'anonymous' };
const user: Principal = { kind: 'user', username: 'dev', userId: 3, administrator: false };
const administrator: Principal = { kind: 'user', username: 'admin', userId: 1, administrator: true };
const robotWith = (name: string, ...permissions: RobotPermission[]): Principal => ({
  kind: 'robot',
  name,
  robotId: 1,
  permissions,
});

const at = (
  isPublic: boolean,
  held: readonly Role[] = [],
  more: { readonly anonymousWrite?: boolean } = {},
): ProjectScope => ({
  kind: 'project',
  project: { name: 'team', projectId: 2, public: isPublic, ...more },
  roles: held,
});
const missing: ProjectScope = { kind: 'project', project: null, roles: [] };
const system = { kind: 'system' } as const;

test('the matrix has as many permissions a role as Harbor counts', () => {
  const counts = columns.map((column) => cells.filter(({ holders }) => holders.includes(column)).length);
  assert.deepEqual(counts, [75, 53, 36, 20, 14, 12]);
  assert.equal(new Set(cells.map(({ permission }) => permission)).size, cells.length);
});

for (const { permission, holders } of cells) {
  test(`${permission} is for ${holders.join(', ')}, and for nobody else`, () => {
    const isOpen = holders.includes('anyone');
    for (const role of roles) {
      const has = holders.includes(role);
      assert.equal(authorize(user, permission, at(false, [role])), has, `${role} in a private project`);
      assert.equal(authorize(user, permission, at(true, [role])), has || isOpen, `${role} in a public one`);
    }
    for (const principal of [anonymous, user, robotWith('ci')]) {
      assert.equal(authorize(principal, permission, at(true)), isOpen, `${principal.kind}, public`);
      assert.equal(authorize(principal, permission, at(false)), false, `${principal.kind}, private`);
      assert.equal(authorize(principal, permission, missing), false, `${principal.kind}, missing`);
      assert.equal(authorize(principal, permission, system), false, `${principal.kind}, system`);
    }
  });
}

test('a member has what all of the roles together have', () => {
  assert.equal(authorize(user, 'robot:list', at(false, ['limitedGuest', 'guest'])), true);
  assert.equal(authorize(user, 'repository:push', at(false, ['limitedGuest', 'guest'])), false);
});

test('an administrator may do everything everywhere, also where nothing is', () => {
  for (const scope of [at(true), at(false), missing, system])
    for (const permission of ['repository:push', 'metadata:list', 'user:delete', 'made:up'] as const)
      assert.equal(authorize(administrator, permission, scope), true);
});

test('what no table knows is denied to the mightiest member', () => {
  for (const permission of ['metadata:list', 'repository:scanner-pull', 'project:create', 'made:up'] as const)
    assert.equal(authorize(user, permission, at(true, [...roles])), false);
});

test('a role in a project gives nothing at the system level, nor where the project is gone', () => {
  assert.equal(authorize(user, 'project:read', { ...missing, roles: ['projectAdmin'] }), false);
  assert.equal(authorize(user, 'robot:list', system), false);
});

const inTeam: RobotPermission = {
  scope: { kind: 'project', project: 'team' },
  access: ['repository:push', 'tag:create'],
};
const elsewhere = { ...inTeam, scope: { kind: 'project', project: 'other' } } as const;
const everywhere = { ...inTeam, scope: { kind: 'project', project: '*' } } as const;
const atSystem: RobotPermission = { scope: { kind: 'system' }, access: ['user:list', 'tag:create'] };

test('a robot may exactly what it was given, in the project that it was given for', () => {
  for (const permissions of [[inTeam], [everywhere], [elsewhere, inTeam]]) {
    assert.equal(authorize(robotWith('ci', ...permissions), 'tag:create', at(false)), true);
    assert.equal(authorize(robotWith('ci', ...permissions), 'tag:delete', at(false)), false);
  }
  assert.equal(authorize(robotWith('ci', elsewhere), 'tag:create', at(false)), false);
  assert.equal(authorize(robotWith('ci', everywhere), 'tag:create', missing), false);
});

test('a robot is no member, whatever roles are said of it', () => {
  assert.equal(authorize(robotWith('ci', inTeam), 'tag:delete', at(false, ['projectAdmin'])), false);
});

test('what a robot has for the system it has in no project, and the other way round', () => {
  assert.equal(authorize(robotWith('ci', atSystem), 'user:list', system), true);
  assert.equal(authorize(robotWith('ci', atSystem), 'tag:create', at(false)), false);
  assert.equal(authorize(robotWith('ci', everywhere), 'tag:create', system), false);
});

test('who may push as a robot of a project may pull there; a robot of the system may not', () => {
  assert.equal(authorize(robotWith('team+ci', inTeam), 'repository:pull', at(false)), true);
  assert.equal(authorize(robotWith('ci', inTeam), 'repository:pull', at(false)), false);
  assert.equal(authorize(robotWith('team+ci', elsewhere), 'repository:pull', at(false)), false);
});

test('where the operator lets everybody write, everybody pulls, pushes and deletes in repositories, and no more', () => {
  for (const principal of [anonymous, user, robotWith('ci')])
    for (const isPublic of [true, false]) {
      const scope = at(isPublic, [], { anonymousWrite: true });
      for (const action of ['pull', 'push', 'delete'] as const)
        assert.equal(authorize(principal, `repository:${action}`, scope), true);
      for (const permission of ['project:delete', 'member:create', 'repository:read', 'robot:list'] as const)
        assert.equal(authorize(principal, permission, scope), false);
      assert.equal(
        authorize(principal, 'repository:push', at(isPublic, [], { anonymousWrite: false })),
        false,
      );
    }
});

test('events name a user by kind and name, so that no user can pass for anonymous or for the system', () => {
  const named = (username: string): Principal => ({ ...user, username });
  assert.equal(actorOf(anonymous), 'anonymous');
  assert.equal(actorOf(user), 'user:dev');
  assert.equal(actorOf(named('anonymous')), 'user:anonymous');
  assert.equal(actorOf(named('system')), 'user:system');
  assert.equal(actorOf(robotWith('team+ci')), 'robot:team+ci');
});
