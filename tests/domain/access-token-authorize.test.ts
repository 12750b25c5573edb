import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authorize, type ProjectScope } from '../../domain/access/authorize.ts';
import { mayGive } from '../../domain/access/giving.ts';
import { permissionsByRole } from '../../domain/access/matrix.ts';
import type { Permission } from '../../domain/access/permission.ts';
import {
  accessTokenOf,
  actorOf,
  type Principal,
  type TokenPermission,
} from '../../domain/access/principal.ts';
import { type Role, roles } from '../../domain/access/role.ts';

const tokenWith = (administrator: boolean, ...permissions: TokenPermission[]): Principal => ({
  kind: 'access-token',
  tokenId: 9,
  username: 'dev',
  userId: 3,
  administrator,
  permissions,
});
const inTeam = (...access: Permission[]): TokenPermission => ({
  scope: { kind: 'project', project: 'team', projectId: 2 },
  access,
});
const inAll = (...access: Permission[]): TokenPermission => ({ scope: { kind: 'projects' }, access });
const atSystem = (...access: Permission[]): TokenPermission => ({ scope: { kind: 'system' }, access });

const at = (
  { projectId = 2, isPublic = false }: { projectId?: number; isPublic?: boolean },
  ...held: Role[]
): ProjectScope => ({ kind: 'project', project: { name: 'team', projectId, public: isPublic }, roles: held });
const missing: ProjectScope = { kind: 'project', project: null, roles: [] };
const system = { kind: 'system' } as const;

test('a limited access token may what it was made for, as far as its user may it', () => {
  const token = tokenWith(false, inTeam('repository:pull', 'repository:push'));
  assert.equal(authorize(token, 'repository:push', at({}, 'developer')), true);
  assert.equal(authorize(token, 'repository:push', at({}, 'guest')), false, 'more than its user');
  assert.equal(authorize(token, 'tag:create', at({}, 'developer')), false, 'more than it was made for');
  assert.equal(authorize(token, 'repository:push', at({ projectId: 7 }, 'developer')), false, 'elsewhere');
  assert.equal(authorize(token, 'repository:push', system), false);
  assert.equal(authorize(token, 'repository:push', missing), false);
});

test('whatever a token was made for, it may nothing that its user may not', () => {
  const everything = [...(permissionsByRole.get('projectAdmin') ?? [])];
  const token = tokenWith(false, inAll(...everything), atSystem(...everything));
  for (const role of roles)
    for (const permission of everything)
      assert.equal(
        authorize(token, permission, at({}, role)),
        permissionsByRole.get(role)?.has(permission),
        `${permission} of ${role}`,
      );
  for (const permission of everything) assert.equal(authorize(token, permission, system), false, permission);
});

test('the token of an administrator may at the system level what it was made for, and nothing else', () => {
  const token = tokenWith(true, atSystem('user:list'), inTeam('repository:pull'));
  assert.equal(authorize(token, 'user:list', system), true);
  assert.equal(authorize(token, 'user:delete', system), false);
  assert.equal(authorize(token, 'repository:pull', at({})), true);
  assert.equal(authorize(token, 'repository:pull', at({ projectId: 7 })), false);
  assert.equal(authorize(token, 'user:list', at({})), false);
});

test('a token for a project is none for the next project of that name', () => {
  const token = tokenWith(true, inTeam('repository:pull'));
  assert.equal(authorize(token, 'repository:pull', at({ projectId: 12 })), false);
});

test('a token for every project is one for those that its user has', () => {
  const token = tokenWith(false, inAll('repository:pull'));
  assert.equal(authorize(token, 'repository:pull', at({ projectId: 7 }, 'guest')), true);
  assert.equal(authorize(token, 'repository:pull', at({ projectId: 7 })), false);
  assert.equal(authorize(token, 'repository:pull', system), false);
});

test('what everybody may, the bearer of any token may as well', () => {
  assert.equal(authorize(tokenWith(false), 'repository:pull', at({ isPublic: true })), true);
  assert.equal(authorize(tokenWith(false), 'repository:push', at({ isPublic: true }, 'developer')), false);
});

test('a limited token gives to robot accounts no more than it has', () => {
  const token = tokenWith(true, inTeam('repository:pull'), inAll('tag:list'), atSystem('user:list'));
  const team = { kind: 'project', project: 'team', projectId: 2 } as const;
  const other = { kind: 'project', project: 'other', projectId: 7 } as const;
  assert.equal(mayGive(token, 'repository:pull', team), true);
  assert.equal(mayGive(token, 'repository:pull', other), false);
  assert.equal(mayGive(token, 'repository:pull', { kind: 'projects' }), false);
  assert.equal(mayGive(token, 'tag:list', other), true);
  assert.equal(mayGive(token, 'tag:list', { kind: 'projects' }), true);
  assert.equal(mayGive(token, 'tag:list', system), false);
  assert.equal(mayGive(token, 'user:list', system), true);
  assert.equal(mayGive(token, 'user:list', team), false);
});

test('events name the user whose token it was, and which', () => {
  const whole: Principal = {
    kind: 'user',
    username: 'dev',
    userId: 3,
    administrator: false,
    accessToken: 5,
  };
  assert.deepEqual([actorOf(tokenWith(false)), accessTokenOf(tokenWith(false))], ['user:dev', 9]);
  assert.deepEqual([actorOf(whole), accessTokenOf(whole)], ['user:dev', 5]);
});
