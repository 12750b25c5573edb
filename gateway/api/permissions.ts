import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { authorize, type Scope } from '../../domain/access/authorize.ts';
import { projectPermissions, systemPermissions } from '../../domain/access/catalogue.ts';
import { permissionsByRole } from '../../domain/access/matrix.ts';
import type { Permission } from '../../domain/access/permission.ts';
import { type Principal, userOf } from '../../domain/access/principal.ts';
import type { Access } from './access.ts';
import { shows } from './answer-forms.ts';
import { forbidden } from './faults.ts';
import { operation } from './operation.ts';
import { flag, storable, text } from './parameter-forms.ts';
import type { ApiPorts } from './ports.ts';

const permission = z.object({ resource: z.string(), action: z.string() }).meta({ id: 'Permission' });

/** What anybody can be allowed in a project: by a role, or as a robot. */
const everyProjectPermission = [
  ...new Set([...(permissionsByRole.get('projectAdmin') ?? []), ...projectPermissions]),
];

/** Harbor's `permissions` operations. */
export function permissionRoutes(api: FastifyInstance, ports: ApiPorts, access: Access): void {
  const { queries, rolesOf } = ports;

  operation(
    api,
    {
      id: 'getPermissions',
      tag: 'permissions',
      method: 'GET',
      path: '/permissions',
      summary: 'What robot accounts can be given.',
      answer: shows(
        z.object({
          system: z.array(permission).optional().describe('For administrators of the system'),
          project: z.array(permission),
        }),
      ),
    },
    async ({ request }) => {
      const { principal } = await access.known(request);
      const user = userOf(principal);
      const giveable = (all: readonly Permission[], kind: 'system' | 'projects') =>
        all.filter((permission) => mayGiveSomewhere(principal, permission, kind)).map((each) => parts(each));
      if (user?.administrator)
        return {
          system: giveable(systemPermissions, 'system'),
          project: giveable(projectPermissions, 'projects'),
        };
      const memberships = user === undefined ? [] : await queries.membershipsOf(user.userId);
      if (memberships.some(({ role }) => role === 'projectAdmin'))
        return { project: giveable(projectPermissions, 'projects') };
      throw forbidden('only administrators of the system or of a project see the catalogue of permissions');
    },
  );

  operation(
    api,
    {
      id: 'getCurrentUserPermissions',
      tag: 'user',
      method: 'GET',
      path: '/users/current/permissions',
      summary: 'What the asker may do in a scope: `/system` or `/project/<id>`.',
      query: { scope: text, relative: flag },
      answer: shows(z.array(permission)),
    },
    async ({ request, query }) => {
      const { principal } = await access.known(request);
      const { scope: written = '', relative: isRelative = false } = query;
      const prefix = isRelative ? '' : `${written.replace(/\/$/, '')}/`;
      const held = (all: readonly Permission[], scope: Scope) =>
        all
          .filter((permission) => authorize(principal, permission, scope))
          .map((permission) => parts(permission, prefix, isRelative ? '.' : prefix.slice(0, -1)));

      if (/^\/system\/?$/.test(written)) return held(systemPermissions, { kind: 'system' }).map(asInSystem);
      const [, id] = /^\/project\/(\d{1,15})\/?$/.exec(written) ?? [];
      const project = id === undefined ? undefined : await queries.findProjectById(storable(Number(id)));
      if (project === undefined) return [];
      const roles = await rolesOf(principal, project.projectId);
      return held(everyProjectPermission, { kind: 'project', project, roles });

      /** There is no resource that is the system itself; `project` is the list of projects. */
      function asInSystem({ resource, action }: { readonly resource: string; readonly action: string }) {
        return {
          resource: resource === '.' || `${resource}/` === prefix ? `${prefix}project` : resource,
          action,
        };
      }
    },
  );
}

/** @param self how the resource is called that is the scope itself. */
function parts(permission: Permission, prefix = '', self = 'project') {
  const colon = permission.indexOf(':');
  const resource = permission.slice(0, colon);
  return {
    resource: resource === 'project' ? self : prefix + resource,
    action: permission.slice(colon + 1),
  };
}

/** A limited access token gives no more than it has, in some project or other. */
const mayGiveSomewhere = (
  principal: Principal,
  permission: Permission,
  kind: 'system' | 'projects',
): boolean =>
  principal.kind !== 'access-token' ||
  principal.permissions.some(
    ({ scope, access }) => (scope.kind === 'system') === (kind === 'system') && access.includes(permission),
  );
