import { LRUCache } from 'lru-cache';
import { userOfPseudonym } from '../../domain/user/pseudonym.ts';
import type { EventLog, ExpectedRevision } from '../event-log/port.ts';
import { staysNamed } from './marker.ts';
import type { UserNames } from './port.ts';

const prefix = 'user/';
/** No user's name has this character in it. */
const hashedPrefix = `${prefix}#`;
const maxKept = 10_000;
/** No stream gets there, so a read from here on says where the stream ends and reads no event. */
const beyondAnyEnd = 2n ** 48n;

export const isHashedStream = (stream: string): boolean => stream.startsWith(hashedPrefix);
export const userStreamOf = (name: string): string => prefix + name;

export interface StreamNames {
  isOfUser(stream: string): boolean;
  /** The name by which the log knows the stream. */
  of(stream: string, expected: ExpectedRevision): Promise<string>;
  toRead(stream: string): Promise<string>;
}

/**
 * The stream of a user is known to the log by a keyed hash of his name; one that was begun before, with the name, goes on
 * under it.
 */
export function streamNames(log: EventLog, names: UserNames): StreamNames {
  const kept = new LRUCache<string, string>({ max: maxKept });

  const isOfUser = (stream: string): boolean =>
    stream.startsWith(prefix) && !isHashedStream(stream) && !staysNamed(stream.slice(prefix.length));

  async function keyOf(name: string): Promise<string> {
    const userId = userOfPseudonym(name);
    const known = userId === undefined ? undefined : (await names.of([userId])).get(userId);
    return known?.key ?? names.keyOf(name);
  }

  const exists = async (stream: string): Promise<boolean> =>
    (await log.readStream(stream, beyondAnyEnd)).revision !== 'none';

  async function toRead(stream: string): Promise<string> {
    const known = kept.get(stream);
    if (known !== undefined) return known;
    const hashed = hashedPrefix + (await keyOf(stream.slice(prefix.length)));
    if (await exists(hashed)) kept.set(stream, hashed);
    else if (await exists(stream)) kept.set(stream, stream);
    return kept.get(stream) ?? hashed;
  }

  return {
    isOfUser,
    toRead,
    async of(stream, expected) {
      if (!isOfUser(stream)) return stream;
      // Nobody begins one by the name any more.
      if (expected === 'none') return hashedPrefix + (await keyOf(stream.slice(prefix.length)));
      return toRead(stream);
    },
  };
}
