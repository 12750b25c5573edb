import { z } from 'zod';
import { projectPermissions, systemPermissions } from '../../domain/access/catalogue.ts';
import { type GivenScope, mayGive } from '../../domain/access/giving.ts';
import type { Permission } from '../../domain/access/permission.ts';
import type { Principal, RobotPermission } from '../../domain/access/principal.ts';
import { isName } from '../../domain/project/name.ts';
import { forEver } from '../../domain/robot/decider.ts';
import type { LastUse } from '../../projections/credential-uses/queries.ts';
import type { ListedRobot } from '../../projections/robots/queries.ts';
import { time } from './answer-forms.ts';
import { badRequest, denied } from './faults.ts';

const text = z
  .string()
  .nullish()
  .transform((given) => given ?? '');

export const permissionsForm = z
  .array(
    z.object({
      kind: text,
      namespace: text,
      access: z.array(z.object({ resource: text, action: text, effect: text })).nullish(),
    }),
  )
  .nullish();

/** Harbor's `RobotCreate` and `Robot`, as far as a request can say something. */
export const robotForm = z.object({
  name: text,
  description: text,
  level: text,
  duration: z.int().nullish(),
  disable: z.boolean().nullish(),
  permissions: permissionsForm,
});
export type RobotForm = z.output<typeof robotForm>;

/** How a permission for every project names them. */
export const everyProject = '*';
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
export function readDescription({ description }: Pick<RobotForm, 'description'>): string {
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
export function readPermissions({ permissions }: Pick<RobotForm, 'permissions'>): RobotPermission[] {
  if (!permissions || permissions.length === 0) throw badRequest('bad request empty permission');
  if (permissions.length > maxPermissions)
    throw badRequest(`there are at most ${maxPermissions} permissions`);
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

/**
 * Robot accounts and access tokens give no more than they have.
 * @param projectIds of the projects that `permissions` name, as far as these are there
 * @throws RequestRefused 403
 */
export function refuseEscalation(
  principal: Principal,
  permissions: readonly RobotPermission[],
  projectIds: ReadonlyMap<string, number>,
): void {
  for (const { scope, access } of permissions)
    for (const permission of access)
      if (!mayGive(principal, permission, givenScope(scope, projectIds)))
        throw denied(`permission scope is invalid: ${permission} is more than the giver itself may`);
}

function givenScope(scope: RobotPermission['scope'], projectIds: ReadonlyMap<string, number>): GivenScope {
  if (scope.kind === 'system') return scope;
  if (scope.project === everyProject) return { kind: 'projects' };
  // What is not there has no number; it is refused in the end.
  return { kind: 'project', project: scope.project, projectId: projectIds.get(scope.project) ?? 0 };
}

/** Seconds since 1970, -1 for never. */
export const expiryOf = (expiresAt: Date | null): number =>
  expiresAt === null ? forEver : Math.floor(expiresAt.getTime() / 1000);

/** Harbor's `RobotPermission`. */
export const permissionAnswer = z
  .object({
    kind: z.enum(['system', 'project']),
    namespace: z.string().describe('`/` for the system, a project, or `*` for every project'),
    access: z.array(z.object({ resource: z.string(), action: z.string() }).meta({ id: 'Access' })),
  })
  .meta({ id: 'RobotPermission' });

/** Harbor's `Robot`, and when it was in use. */
export const robotAnswer = z
  .object({
    id: z.int(),
    name: z.string(),
    description: z.string(),
    level: z.enum(['system', 'project']),
    duration: z.int().describe('Days from the creation on, -1 for ever'),
    editable: z.boolean(),
    disable: z.boolean(),
    expires_at: z.int().describe('Seconds since 1970, -1 for never'),
    permissions: z.array(permissionAnswer),
    creator_type: z.enum(['local', 'robot']),
    creator_ref: z.int(),
    creation_time: time,
    update_time: time,
    last_used_at: time.optional().describe('But for a few minutes; absent where it never was'),
    last_used_from: z.string().optional().describe('The address of the client'),
    previous_secret_expires_at: time
      .optional()
      .describe('Until when the secret from before is good as well; absent where it is not'),
  })
  .meta({ id: 'Robot' });

export function shownRobot(prefix: string, robot: ListedRobot, lastUse: LastUse | undefined) {
  const { previousUntil } = robot;
  const overlaps = previousUntil !== null && Date.parse(previousUntil) > Date.now();
  return {
    id: robot.robotId,
    name: prefix + robot.name,
    description: robot.description,
    level: robot.projectId === null ? ('system' as const) : ('project' as const),
    duration: robot.durationDays,
    editable: true,
    disable: robot.disabled,
    expires_at: expiryOf(robot.expiresAt),
    permissions: robot.permissions.map(({ scope, access }) => ({
      kind: scope.kind,
      namespace: scope.kind === 'system' ? '/' : scope.project,
      access: access.map(accessOf),
    })),
    creator_type: robot.creatorType,
    creator_ref: robot.creatorRef,
    creation_time: robot.createdAt,
    update_time: robot.updatedAt,
    ...(lastUse !== undefined && { last_used_at: lastUse.at }),
    ...(typeof lastUse?.from === 'string' && { last_used_from: lastUse.from }),
    ...(overlaps && { previous_secret_expires_at: previousUntil }),
  };
}

/** A permission in two parts. */
export function accessOf(permission: Permission): { readonly resource: string; readonly action: string } {
  const colon = permission.indexOf(':');
  return { resource: permission.slice(0, colon), action: permission.slice(colon + 1) };
}
