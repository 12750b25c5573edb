import { type PublicEvent, publicTypes } from './public-event.ts';
import { results } from './publication.ts';

/** What can be asked for, with what it means. */
export const filterKeys = {
  type: 'The type of the event',
  actor: 'Who did it: a name, or with the kind before it, such as `robot:ci`',
  project: 'The name of the project',
  repository: 'The full name of the repository; `repo` is short for it',
  tag: 'The tag',
  digest: 'The digest of the manifest',
  result: 'How it ended: done, refused or failed',
  stream: 'The stream of the log, such as `tag/team/app:1.0`',
  correlation: 'The id that all events of one request or job share',
} as const;
export type FilterKey = keyof typeof filterKeys;

const aliases: Readonly<Record<string, FilterKey>> = { repo: 'repository' };

/**
 * Which events are asked for: of each key any of its patterns, and of all keys at once. In a pattern `*` stands for any
 * characters, and all others for themselves.
 */
export type EventFilter = ReadonlyMap<FilterKey, readonly string[]>;

export const everyEvent: EventFilter = new Map();

const maxCharacters = 2000;
const maxTerms = 50;
/** Of one pattern: what somebody has to look for between two of them. */
const maxStars = 8;

/** What was asked for cannot be read; the message says which term, and why. */
export class FilterInvalid extends Error {
  override readonly name = 'FilterInvalid';
}

/** One term: a key, a colon, and a pattern which is quoted where it holds spaces. */
const term = /\s*(?:([A-Za-z]+):(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))(?=\s|$)|(\S+))/gy;

/**
 * Reads `type:tag.* project:pay* actor:"Ada Lovelace"`.
 * @throws FilterInvalid
 */
export function parseFilter(text: string): EventFilter {
  if (text.length > maxCharacters)
    throw new FilterInvalid(`a filter has at most ${maxCharacters} characters`);
  const terms: [string, string][] = [];
  for (const [, key, quoted, plain, other] of text.trimEnd().matchAll(term)) {
    if (key === undefined)
      throw new FilterInvalid(`${shown(other ?? '')} is not a key, a colon and a pattern`);
    terms.push([key, quoted?.replace(/\\(.)/gs, '$1') ?? plain ?? '']);
  }
  return filterOf(terms);
}

/** @throws FilterInvalid */
export function filterOf(terms: readonly (readonly [key: string, pattern: string])[]): EventFilter {
  if (terms.length > maxTerms) throw new FilterInvalid(`a filter has at most ${maxTerms} terms`);
  const filter = new Map<FilterKey, string[]>();
  for (const [name, pattern] of terms) {
    const key = Object.hasOwn(aliases, name) ? (aliases[name] as FilterKey) : name;
    if (!Object.hasOwn(filterKeys, key))
      throw new FilterInvalid(`${shown(name)} is not one of ${Object.keys(filterKeys).join(', ')}`);
    requirePattern(key as FilterKey, pattern);
    filter.set(key as FilterKey, [...(filter.get(key as FilterKey) ?? []), pattern]);
  }
  return filter;
}

/** What both ask for. Two lists of one key are one list. */
export const bothOf = (one: EventFilter, other: EventFilter): EventFilter =>
  filterOf(
    [one, other].flatMap((filter) =>
      [...filter].flatMap(([key, all]) => all.map((each) => [key, each] as const)),
    ),
  );

function requirePattern(key: FilterKey, pattern: string): void {
  const written = shown(`${key}:${pattern}`);
  if (pattern === '') throw new FilterInvalid(`${written} has no pattern`);
  if (pattern.includes('\0') || !pattern.isWellFormed()) throw new FilterInvalid(`${written} is no text`);
  if (pattern.split('*').length - 1 > maxStars)
    throw new FilterInvalid(`${written} has more than ${maxStars} stars`);
  const known = { type: publicTypes.map(({ type }) => type), result: results }[key as 'type' | 'result'];
  if (known !== undefined && !known.some((value) => globMatches(pattern, value)))
    throw new FilterInvalid(
      key === 'type'
        ? `${written}: there is no such type of event`
        : `${written} is none of ${known.join(', ')}`,
    );
}

const shown = (text: string): string => JSON.stringify(text.slice(0, 100).toWellFormed());

export function filterMatches(filter: EventFilter, event: PublicEvent): boolean {
  for (const [key, patterns] of filter) {
    const values = valuesOf[key](event);
    if (!values.some((value) => value !== undefined && patterns.some((each) => globMatches(each, value))))
      return false;
  }
  return true;
}

const valuesOf: Readonly<Record<FilterKey, (event: PublicEvent) => readonly (string | undefined)[]>> = {
  type: ({ type }) => [type],
  actor: ({ actor }) =>
    actor === undefined ? [] : actor.name === '' ? [actor.kind] : [actor.name, `${actor.kind}:${actor.name}`],
  project: ({ project }) => [project],
  repository: ({ repository }) => [repository],
  tag: ({ tag }) => [tag],
  digest: ({ digest }) => [digest],
  result: ({ result }) => [result],
  stream: ({ stream }) => [stream],
  correlation: ({ correlationId }) => [correlationId],
};

/** Whether `text` is what `pattern` says; each part is looked for once, however they are made. */
export function globMatches(pattern: string, text: string): boolean {
  const parts = pattern.split('*');
  const first = parts[0] as string;
  if (parts.length === 1) return pattern === text;
  const last = parts.at(-1) as string;
  if (!text.startsWith(first) || !text.endsWith(last)) return false;
  let at = first.length;
  const end = text.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return at <= end;
}
