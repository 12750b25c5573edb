import type { Permission } from './permission.ts';
import { type Role, roles } from './role.ts';

interface Row {
  readonly resource: string;
  readonly actions: readonly string[];
  /** The least mighty role that may; every mightier one may as well. */
  readonly from: Role;
  /** Whether everybody may where the project is public, logged in or not. */
  readonly inPublic?: true;
}

/**
 * What each role may do in a project: Harbor's matrix. The resource `project` is the project itself. Nobody has
 * `metadata:list` by a role.
 */
const rows: readonly Row[] = [
  { resource: 'project', actions: ['read'], from: 'limitedGuest', inPublic: true },
  { resource: 'project', actions: ['update', 'delete'], from: 'projectAdmin' },
  { resource: 'accessory', actions: ['list'], from: 'limitedGuest', inPublic: true },
  { resource: 'artifact', actions: ['create'], from: 'developer' },
  { resource: 'artifact', actions: ['read', 'list'], from: 'limitedGuest', inPublic: true },
  { resource: 'artifact', actions: ['delete'], from: 'maintainer' },
  { resource: 'artifact-addition', actions: ['read'], from: 'limitedGuest', inPublic: true },
  { resource: 'artifact-label', actions: ['create', 'delete'], from: 'developer' },
  { resource: 'configuration', actions: ['read'], from: 'limitedGuest' },
  { resource: 'configuration', actions: ['update'], from: 'projectAdmin' },
  { resource: 'export-cve', actions: ['create', 'read', 'list'], from: 'developer' },
  { resource: 'immutable-tag', actions: ['create', 'update', 'delete', 'list'], from: 'maintainer' },
  { resource: 'label', actions: ['create', 'update', 'delete'], from: 'maintainer' },
  { resource: 'label', actions: ['read', 'list'], from: 'guest', inPublic: true },
  { resource: 'log', actions: ['list'], from: 'projectAdmin' },
  { resource: 'member', actions: ['create', 'update', 'delete'], from: 'projectAdmin' },
  { resource: 'member', actions: ['read', 'list'], from: 'guest' },
  { resource: 'metadata', actions: ['create', 'update', 'delete'], from: 'projectAdmin' },
  { resource: 'metadata', actions: ['read'], from: 'maintainer' },
  { resource: 'notification-policy', actions: ['create', 'update', 'delete'], from: 'projectAdmin' },
  { resource: 'notification-policy', actions: ['read', 'list'], from: 'maintainer' },
  {
    resource: 'preheat-policy',
    actions: ['create', 'read', 'update', 'delete', 'list'],
    from: 'projectAdmin',
  },
  { resource: 'quota', actions: ['read'], from: 'limitedGuest' },
  { resource: 'repository', actions: ['create', 'update', 'push'], from: 'developer' },
  { resource: 'repository', actions: ['read'], from: 'limitedGuest' },
  { resource: 'repository', actions: ['delete'], from: 'maintainer' },
  { resource: 'repository', actions: ['list', 'pull'], from: 'limitedGuest', inPublic: true },
  { resource: 'robot', actions: ['create', 'update', 'delete'], from: 'projectAdmin' },
  { resource: 'robot', actions: ['read', 'list'], from: 'guest' },
  { resource: 'sbom', actions: ['create', 'stop'], from: 'maintainer' },
  { resource: 'sbom', actions: ['read'], from: 'limitedGuest' },
  { resource: 'scan', actions: ['create', 'stop'], from: 'maintainer' },
  { resource: 'scan', actions: ['read'], from: 'limitedGuest', inPublic: true },
  { resource: 'scanner', actions: ['create'], from: 'projectAdmin' },
  { resource: 'scanner', actions: ['read'], from: 'limitedGuest', inPublic: true },
  { resource: 'tag', actions: ['create'], from: 'developer' },
  { resource: 'tag', actions: ['delete'], from: 'maintainer' },
  { resource: 'tag', actions: ['list'], from: 'limitedGuest', inPublic: true },
  {
    resource: 'tag-retention',
    actions: ['create', 'read', 'update', 'delete', 'list', 'operate'],
    from: 'developer',
  },
];

const permissionsOf = (chosen: readonly Row[]): ReadonlySet<Permission> =>
  new Set(
    chosen.flatMap(({ resource, actions }) => actions.map((action): Permission => `${resource}:${action}`)),
  );

/** What a member with the role may do in the project. */
export const permissionsByRole: ReadonlyMap<Role, ReadonlySet<Permission>> = new Map(
  roles.map((role) => [
    role,
    permissionsOf(rows.filter(({ from }) => roles.indexOf(role) <= roles.indexOf(from))),
  ]),
);

/** What everybody may do in a public project. */
export const permissionsInPublic: ReadonlySet<Permission> = permissionsOf(
  rows.filter(({ inPublic }) => inPublic === true),
);
