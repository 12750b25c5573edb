import { z } from 'zod';
import { authorize } from '../../domain/access/authorize.ts';
import { projectPermissions, systemPermissions } from '../../domain/access/catalogue.ts';
import type { Permission } from '../../domain/access/permission.ts';
import type { Principal, RobotPermission } from '../../domain/access/principal.ts';
import { isName } from '../../domain/project/name.ts';
import { forEver } from '../../domain/robot/decider.ts';
import type { ListedRobot } from '../../projections/robots/queries.ts';
import { badRequest, denied } from './faults.ts';

const text = z
  .string()
  .nullish()
  .transform((given) => given ?? '');

/** Harbor's `RobotCreate` and `Robot`, as far as a request can say something. */
export const robotForm = z.object({
  name: text,
  description: text,
  level: text,
  duration: z.int().nullish(),
  disable: z.boolean().nullish(),
  permissions: z
    .array(
      z.object({
        kind: text,
        namespace: text,
        access: z.array(z.object({ resource: text, action: text, effect: text })).nullish(),
      }),
    )
    .nullish(),
});
export type RobotForm = z.output<typeof robotForm>;

const maxDuration = 2_147_483_646;
const maxDescription = 1024;
/** More than the whole catalogue for each of a thousand projects is no robot that somebody needs. */
const maxPermissions = 1000;

/** @throws RequestRefused 400 */
export function readDuration({ duration }: RobotForm): number {
  const days = duration ?? 0;
  if (days === forEver || (days >= 1 && days <= maxDuration)) return days;
  throw badRequest(
    'bad request error duration input: -1 (never) or a whole number of days from 1 to 2147483646',
  );
}

/** @throws RequestRefused 400 */
export function readDescription({ description }: RobotForm): string {
  if (description.length <= maxDescription && !description.includes('\0')) return description;
  throw badRequest(`a description has at most ${maxDescription} characters`);
}

/** @throws RequestRefused 400 */
export function readLevel({ level }: RobotForm): 'system' | 'project' {
  if (level === 'system' || level === 'project') return level;
  throw badRequest('bad request error level input: system or project');
}

/** The project of a robot that belongs to one. @throws RequestRefused 400 */
export function projectIn({ permissions }: RobotForm): string {
  const [first, ...others] = permissions ?? [];
  if (first === undefined || others.length > 0 || first.kind !== 'project' || !isName(first.namespace))
    throw badRequest('a robot of a project has the permissions of that one project');
  return first.namespace;
}

/** @throws RequestRefused 400 */
export function readPermissions({ permissions }: RobotForm): RobotPermission[] {
  if (!permissions || permissions.length === 0) throw badRequest('bad request empty permission');
  if (permissions.length > maxPermissions)
    throw badRequest(`a robot has at most ${maxPermissions} permissions`);
  return permissions.map(({ kind, namespace, access }) => {
    if (kind !== 'system' && kind !== 'project')
      throw badRequest(`bad request permission kind: ${JSON.stringify(kind)}`);
    if (!access || access.length === 0) throw badRequest('bad request empty access');
    const catalogue: readonly string[] = kind === 'system' ? systemPermissions : projectPermissions;
    const granted = access.map(({ resource, action }): Permission => {
      const permission: Permission = `${resource}:${action}`;
      if (!catalogue.includes(permission)) throw badRequest(`bad request permission: ${permission}`);
      return permission;
    });
    if (kind === 'system') {
      if (namespace !== '/') throw badRequest('the namespace of the system is /');
      return { scope: { kind }, access: [...new Set(granted)] };
    }
    if (namespace === '') throw badRequest('a permission for a project names the project');
    return { scope: { kind, project: namespace }, access: [...new Set(granted)] };
  });
}

/** A robot gives no more than it has. @throws RequestRefused 403 */
export function refuseEscalation(principal: Principal, permissions: readonly RobotPermission[]): void {
  if (principal.kind !== 'robot') return;
  for (const { scope, access } of permissions)
    for (const permission of access)
      if (!mayGive(principal, scope, permission))
        throw denied(`permission scope is invalid: ${permission} is more than the robot itself may`);
}

function mayGive(
  robot: Extract<Principal, { kind: 'robot' }>,
  scope: RobotPermission['scope'],
  permission: Permission,
): boolean {
  if (scope.kind === 'system') return authorize(robot, permission, scope);
  if (scope.project === '*')
    return robot.permissions.some(
      (own) => own.scope.kind === 'project' && own.scope.project === '*' && own.access.includes(permission),
    );
  // As if the project were not public: what everybody may there is not the robot's to give.
  const project = { name: scope.project, public: false };
  return authorize(robot, permission, { kind: 'project', project, roles: [] });
}

/** Seconds since 1970, -1 for never. */
export const expiryOf = (expiresAt: Date | null): number =>
  expiresAt === null ? forEver : Math.floor(expiresAt.getTime() / 1000);

export const shownRobot = (prefix: string, robot: ListedRobot) => ({
  id: robot.robotId,
  name: prefix + robot.name,
  description: robot.description,
  level: robot.projectId === null ? 'system' : 'project',
  duration: robot.durationDays,
  editable: true,
  disable: robot.disabled,
  expires_at: expiryOf(robot.expiresAt),
  permissions: robot.permissions.map(({ scope, access }) => ({
    kind: scope.kind,
    namespace: scope.kind === 'system' ? '/' : scope.project,
    access: access.map((permission) => {
      const colon = permission.indexOf(':');
      return { resource: permission.slice(0, colon), action: permission.slice(colon + 1) };
    }),
  })),
  creator_type: robot.creatorType,
  creator_ref: robot.creatorRef,
  creation_time: robot.createdAt,
  update_time: robot.updatedAt,
});
