import { LRUCache } from 'lru-cache';
import { actorOf } from '../../domain/access/principal.ts';
import type { CredentialUseEvent } from '../../domain/credential-use/events.ts';
import type { Metadata } from '../../domain/event.ts';
import type { LoggedIn } from './login.ts';

/** Robot accounts and access tokens: of one, no more than one use in so long is recorded, in milliseconds. */
const everyMs = 5 * 60_000;
/** More are told twice at the worst. */
const maxRemembered = 100_000;

/** Notes that a credential was used; returns at once. @param metadataOf asked only where the use is recorded. */
export type NoteUse = (loggedIn: LoggedIn, metadataOf: () => Metadata) => void;

/** @param record records in the background, in batches. */
export function useNoter(record: (event: CredentialUseEvent, metadata: Metadata) => void): NoteUse {
  const noted = new LRUCache<string, true>({ max: maxRemembered, ttl: everyMs });
  return ({ principal, subject: { kind, id } }, metadataOf) => {
    if (kind === 'user') return;
    const key = `${kind}/${id}`;
    if (noted.has(key)) return;
    noted.set(key, true);
    const usedAt = new Date().toISOString();
    record(
      { type: 'CredentialUsed', data: { kind, id, usedAt } },
      { ...metadataOf(), actor: actorOf(principal) },
    );
  };
}

/** `login`, after which the use of what was shown is noted. */
export const noting =
  <Shown>(noteUse: NoteUse, login: (shown: Shown, metadata: Metadata) => Promise<LoggedIn | undefined>) =>
  async (shown: Shown, metadata: Metadata): Promise<LoggedIn | undefined> => {
    const loggedIn = await login(shown, metadata);
    if (loggedIn !== undefined) noteUse(loggedIn, () => metadata);
    return loggedIn;
  };
