import type { Mention } from '../../domain/user/mentions.ts';
import { initialAdministrator, mentionsOfUsers } from '../../domain/user/mentions.ts';

/**
 * What stands in an event in the place of a name. It is an object where a name is a text, so that no text that somebody
 * chooses can be taken for one.
 */
export type Marker =
  /** A user; with the encrypted name where he is created. */
  | { readonly user: number; readonly sealed?: string }
  /** The encrypted name of nobody. */
  | { readonly nobody: string };

export const userMarked = (value: unknown): number | undefined => {
  const user = isObject(value) ? value.user : undefined;
  return typeof user === 'number' ? user : undefined;
};

export const nobodyMarked = (value: unknown): string | undefined => {
  const nobody = isObject(value) ? value.nobody : undefined;
  return typeof nobody === 'string' ? nobody : undefined;
};

/** What the actor of an event begins with where it is a user. */
export const actorPrefix = 'user:';

/** His name stays as it is: it is the same in every installation, and he is needed where all names are lost. */
export const staysNamed = (name: string): boolean => name === initialAdministrator.username;

/** What the event type says of fields with names; none for most types. */
export function mentionsIn(type: string, data: object): readonly Mention[] | undefined {
  const declared = Object.hasOwn(mentionsOfUsers, type) ? mentionsOfUsers[type] : undefined;
  if (declared === undefined) return undefined;
  const mentions = declared.filter(({ isOfUser }) => isOfUser?.(data as Record<string, unknown>) ?? true);
  return mentions.length === 0 ? undefined : mentions;
}

export function valueAt(data: object, path: readonly string[]): unknown {
  let value: unknown = data;
  for (const name of path) value = isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  return value;
}

/** A copy of `data` with another value there; what leads there exists. */
export function withValueAt(data: object, [name = '', ...rest]: readonly string[], value: unknown): object {
  const own = data as Record<string, unknown>;
  return { ...own, [name]: rest.length === 0 ? value : withValueAt(own[name] as object, rest, value) };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;
