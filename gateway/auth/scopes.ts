import { z } from 'zod';
import { repositoryName } from '../../domain/repository.ts';

/** Actions on one resource: `repository`, `library/app`, `pull` and `push`. */
export const resourceActions = z.object({
  type: z.enum(['repository', 'registry']),
  name: z.string(),
  actions: z.array(z.string()),
});
export type ResourceActions = z.infer<typeof resourceActions>;

/** What a token may be asked for, and be good for: more than any client needs at once. */
export const maxScopes = 50;
const maxScopeLength = 1024;
/** All names together: a token has to fit into the 16 KiB that a request has for all its headers. */
const maxNamesLength = 3000;

const actionsOf = { repository: ['pull', 'push', 'delete'], registry: ['*'] } as const;

/**
 * The scopes of `values`, each of which may hold several separated by spaces: `type:name:action[,action]`. Resources
 * and actions that nobody knows, what is malformed and what is beyond the cap are left out and no error, as the token
 * specification wants it; the class in `repository(plugin)` is ignored. `*` asks for every action that there is, as with
 * Docker Hub, whose word for that it is, and with Harbor, which gives all of them whatever was asked for.
 */
export function readScopes(values: readonly string[]): ResourceActions[] {
  const asked = new Map<string, ResourceActions>();
  let length = 0;
  for (const text of values.flatMap((value) => value.split(' '))) {
    const scope = readScope(text);
    if (scope === undefined) continue;
    const key = `${scope.type}:${scope.name}`;
    const actions = new Set([...(asked.get(key)?.actions ?? []), ...scope.actions]);
    if (!asked.has(key)) length += key.length;
    if (asked.has(key) || (asked.size < maxScopes && length <= maxNamesLength))
      asked.set(key, { ...scope, actions: [...actions] });
  }
  return [...asked.values()];
}

function readScope(text: string): ResourceActions | undefined {
  if (text.length > maxScopeLength) return undefined;
  const [, written, name = '', actions = ''] = /^([a-z]+)(?:\([a-z0-9]+\))?:(.+):([^:]*)$/.exec(text) ?? [];
  const type = resourceActions.shape.type.safeParse(written).data;
  if (type === undefined) return undefined;
  if (type === 'repository' ? !repositoryName.safeParse(name).success : name !== 'catalog') return undefined;
  const known: readonly string[] = actionsOf[type];
  const asked = actions.split(',');
  return { type, name, actions: known.filter((action) => asked.includes(action) || asked.includes('*')) };
}

export const writeScopes = (scopes: readonly ResourceActions[]): string =>
  scopes.map(({ type, name, actions }) => `${type}:${name}:${actions.join(',')}`).join(' ');

export const covers = (
  scopes: readonly ResourceActions[],
  { type, name, action }: { readonly type: string; readonly name: string; readonly action: string },
): boolean =>
  scopes.some((scope) => scope.type === type && scope.name === name && scope.actions.includes(action));
