import type { Decider } from '../decider.ts';
import type { Digest } from '../digest.ts';
import type { BlobEvent } from './events.ts';

/** What a repository has of a blob: null is nothing, a text the condemnation that it is under. */
export type Link = null | 'held' | { readonly condemnation: string };

export interface Blob {
  /** Where the bytes that count are; null while there are none. */
  readonly key: string | null;
  /** Bytes. */
  readonly size: number;
  /** Whether the bytes under `key` are known to be wrong. */
  readonly damaged: boolean;
  /** What counted before `key`: bytes that nothing reads any more. */
  readonly surplus: string | null;
  /** How many repositories hold it, condemned or not. */
  readonly holders: number;
  /** Of those repositories that the decision is about; a blob may have thousands of others. */
  readonly links: ReadonlyMap<string, Link>;
}

type BlobDecider<Command> = Decider<Blob, Command, BlobEvent>;

/** The state that a decision about `repositories` needs, whatever the number of others. */
const of = (...repositories: readonly string[]): Pick<BlobDecider<never>, 'initial' | 'evolve'> => ({
  initial: {
    key: null,
    size: 0,
    damaged: false,
    surplus: null,
    holders: 0,
    links: new Map(repositories.map((repository) => [repository, null])),
  },

  evolve(blob, event) {
    const link = (to: Link): ReadonlyMap<string, Link> =>
      'repository' in event.data && blob.links.has(event.data.repository)
        ? new Map(blob.links).set(event.data.repository, to)
        : blob.links;
    switch (event.type) {
      case 'BlobStored':
        return {
          ...blob,
          key: event.data.key,
          size: event.data.size,
          damaged: false,
          surplus: blob.key,
        };
      case 'BlobLinked':
        return { ...blob, holders: blob.holders + 1, links: link('held') };
      case 'BlobCondemned':
        return { ...blob, links: link({ condemnation: event.data.condemnation }) };
      case 'BlobReprieved':
        return { ...blob, links: link('held') };
      case 'BlobUnlinked':
        return { ...blob, holders: blob.holders - 1, links: link(null) };
      case 'BlobDeleted':
        return { ...blob, key: null, surplus: event.data.key };
      case 'BlobDamaged':
        return { ...blob, damaged: event.data.key === blob.key };
    }
  },
});

const linkOf = ({ links }: Blob, repository: string): Link => links.get(repository) ?? null;

export const isHeld = (blob: Blob, repository: string): boolean => linkOf(blob, repository) === 'held';

/** The condemnation that the blob is under in `repository`, null where it is under none. */
export function condemnationOf(blob: Blob, repository: string): string | null {
  const link = linkOf(blob, repository);
  return link === null || link === 'held' ? null : link.condemnation;
}

/** Makes sure that `repository` holds the blob, which has bytes. */
function hold(blob: Blob, digest: Digest, repository: string): BlobEvent[] {
  const link = linkOf(blob, repository);
  if (link === 'held') return [];
  return [{ type: link === null ? 'BlobLinked' : 'BlobReprieved', data: { digest, repository } }];
}

/** Bytes that were just stored under `key`, uploaded to `repository`. */
export interface StoreBlob {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly key: string;
  readonly repository: string;
}

/** Of two uploads of one digest the first one's key counts, unless its bytes are damaged; the other's are surplus. */
export const storing = (repository: string): BlobDecider<StoreBlob> => ({
  ...of(repository),
  decide(blob, { digest, size, key }) {
    const stored: BlobEvent[] =
      blob.key === null || blob.damaged ? [{ type: 'BlobStored', data: { digest, size, key } }] : [];
    return [...stored, ...hold(blob, digest, repository)];
  },
});

interface StoredOnce {
  readonly blob: Blob;
  /** Whether the bytes in question have counted, whatever became of them. */
  readonly recorded: boolean;
}

/**
 * As `storing`, for bytes that may have been recorded already: those count once. When they have been deleted or replaced
 * they are going, when they are damaged they stay so, and what the repository has let go of is not its again.
 */
export function storingOnce({ repository, key }: StoreBlob): Decider<StoredOnce, StoreBlob, BlobEvent> {
  const { initial, decide, evolve } = storing(repository);
  return {
    initial: { blob: initial, recorded: false },
    decide({ blob, recorded }, command) {
      if (!recorded) return decide(blob, command);
      return isSound(blob) ? reprieving(repository).decide(blob, command) : [];
    },
    evolve: ({ blob, recorded }, event) => ({
      blob: evolve(blob, event),
      recorded: recorded || (event.type === 'BlobStored' && event.data.key === key),
    }),
  };
}

export interface MountBlob {
  readonly digest: Digest;
  readonly repository: string;
  /** The repository that must hold the blob. */
  readonly from: string;
}

/** Whether there are bytes, and nothing is known to be wrong with them. */
export const isSound = ({ key, damaged }: Blob): boolean => key !== null && !damaged;

/** Nothing happens where `from` does not hold sound bytes; the state tells whether `repository` does. */
export const mounting = ({ repository, from }: MountBlob): BlobDecider<MountBlob> => ({
  ...of(repository, from),
  decide: (blob, { digest }) => (isSound(blob) && isHeld(blob, from) ? hold(blob, digest, repository) : []),
});

export interface BlobAt {
  readonly digest: Digest;
  readonly repository: string;
}
export interface CondemnedBlob extends BlobAt {
  readonly condemnation: string;
}

/** The first of two phases of a removal. */
export const condemning = (repository: string): BlobDecider<CondemnedBlob> => ({
  ...of(repository),
  decide: (blob, data) => (isHeld(blob, repository) ? [{ type: 'BlobCondemned', data }] : []),
});

/** Keeps a condemned blob; the state tells whether there was one to keep. */
export const reprieving = (repository: string): BlobDecider<BlobAt> => ({
  ...of(repository),
  decide: (blob, { digest }) => (linkOf(blob, repository) === null ? [] : hold(blob, digest, repository)),
});

/** The second phase: only what still is under the same condemnation goes. The last link takes the bytes with it. */
export const removing = (repository: string): BlobDecider<CondemnedBlob> => ({
  ...of(repository),
  decide(blob, { digest, condemnation }) {
    if (condemnationOf(blob, repository) !== condemnation) return [];
    const unlinked: BlobEvent = { type: 'BlobUnlinked', data: { digest, repository } };
    if (blob.holders > 1 || blob.key === null) return [unlinked];
    return [unlinked, { type: 'BlobDeleted', data: { digest, size: blob.size, key: blob.key } }];
  },
});

export interface DamagedBlob {
  readonly digest: Digest;
  readonly key: string;
  readonly fault: string;
}

/** A verdict on bytes that do not count any more says nothing. */
export const damaging: BlobDecider<DamagedBlob> = {
  ...of(),
  decide: (blob, data) => (blob.key === data.key && !blob.damaged ? [{ type: 'BlobDamaged', data }] : []),
};
