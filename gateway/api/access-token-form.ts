import { z } from 'zod';
import type { TokenPermission } from '../../domain/access/principal.ts';
import type { ListedAccessToken } from '../../projections/access-tokens/queries.ts';
import type { LastUse } from '../../projections/credential-uses/queries.ts';
import { time } from './answer-forms.ts';
import { badRequest } from './faults.ts';
import { accessOf, everyProject, expiryOf, permissionAnswer, permissionsForm } from './robot-form.ts';

const maxName = 100;
/** Ten years; who wants more wants for ever, and can say so. */
const maxDuration = 3650;
const forEver = -1;

export const accessTokenForm = z.object({
  name: z.string(),
  description: z
    .string()
    .nullish()
    .transform((given) => given ?? ''),
  duration: z.int().describe('Days from now on, 1 to 3650, or -1 for ever'),
  permissions: permissionsForm.describe(
    'What it may do of what the user may, in the words of robot accounts; without it, all',
  ),
});
type AccessTokenForm = z.output<typeof accessTokenForm>;

/** @throws RequestRefused 400 */
export function readTokenName({ name }: AccessTokenForm): string {
  const trimmed = name.trim();
  if (trimmed !== '' && trimmed.length <= maxName && !/[\p{Cc}\p{Cs}]/u.test(trimmed)) return trimmed;
  throw badRequest(`the name of an access token has 1 to ${maxName} characters, all of which can be seen`);
}

/** In days; null for never. @throws RequestRefused 400 */
export function expiryIn({ duration }: AccessTokenForm): number | null {
  if (duration === forEver) return null;
  if (duration >= 1 && duration <= maxDuration) return duration;
  throw badRequest(`the duration is -1 (for ever) or a whole number of days from 1 to ${maxDuration}`);
}

const accessToken = z.object({
  id: z.int(),
  user_id: z.int(),
  name: z.string(),
  description: z.string(),
  expires_at: z.int().describe('Seconds since 1970, -1 for never'),
  permissions: z.array(permissionAnswer).nullable().describe('Null for all that the user may'),
  creation_time: time,
  last_used: z
    .object({ at: time, from: z.string().nullable(), user_agent: z.string().nullable() })
    .nullable()
    .describe('The last use but for a few minutes; null where it never was'),
});
export const accessTokenAnswer = accessToken.meta({ id: 'AccessToken' });
export const createdAccessToken = accessToken
  .extend({ token: z.string().describe('To be shown in place of the password') })
  .meta({ id: 'AccessTokenCreated' });

export const shownAccessToken = (token: ListedAccessToken, lastUse: LastUse | undefined) => ({
  id: token.tokenId,
  user_id: token.userId,
  name: token.name,
  description: token.description,
  expires_at: expiryOf(token.expiresAt),
  permissions:
    token.permissions?.map(({ scope, access }) => ({
      kind: scope.kind === 'system' ? ('system' as const) : ('project' as const),
      namespace: namespaceOf(scope),
      access: access.map(accessOf),
    })) ?? null,
  creation_time: token.createdAt,
  last_used:
    lastUse === undefined ? null : { at: lastUse.at, from: lastUse.from, user_agent: lastUse.userAgent },
});

function namespaceOf(scope: TokenPermission['scope']): string {
  switch (scope.kind) {
    case 'system':
      return '/';
    case 'projects':
      return everyProject;
    case 'project':
      return scope.project;
  }
}
