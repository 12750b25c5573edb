import type { CondemnedManifest, ManifestAt } from '../domain/artifact/decider.ts';
import type { BlobAt, CondemnedBlob } from '../domain/blob/decider.ts';
import type { Digest } from '../domain/digest.ts';

export interface CollectGarbage {
  /** Says what would be done, and does nothing. */
  readonly dryRun: boolean;
  /** For how long a blob is kept that nothing needs, after the last that was done for it. */
  readonly graceHours: number;
  /** Whether manifests go that no tag, no index and no subject keeps. */
  readonly untagged: boolean;
  /** For how long they are kept after they lost what kept them. */
  readonly untaggedGraceHours: number;
  /** Between a condemnation and the removal. */
  readonly delayHours: number;
  /** The age from which on stored bytes go that no event names. */
  readonly orphanHours: number;
}

/** Where a page of the views begins. */
export interface Place {
  readonly repository: string;
  readonly digest: string;
}

export interface Page<Item> {
  readonly items: readonly Item[];
  /** Undefined at the end. */
  readonly next: Place | undefined;
  /** How many were looked at, of which the items are those that were asked for. */
  readonly seen: number;
}

export type Sized<At> = At & { readonly size: number };
/** With the time from which on its grace counts. */
export type Unneeded<At> = Sized<At> & { readonly since: Date };
export type ManifestWithSubject = Sized<ManifestAt> & { readonly subject: Digest | null };

/** How many are there to be looked at. */
export interface Extent {
  readonly manifests: number;
  /** Each as often as a repository holds it. */
  readonly blobs: number;
  readonly condemnedManifests: number;
  readonly condemnedBlobs: { readonly items: number; readonly bytes: number };
}

/** What the views show that a collector asks for; all times are of the database's clock. */
export interface Garbage {
  /** What no manifest needs and is not condemned. */
  unneededBlobs(after: Place, graceHours: number): Promise<Page<Unneeded<BlobAt>>>;
  /** Resolves when all views show the condemnations, and what came before them. */
  condemnedBlobs(after: Place, delayHours: number): Promise<Page<Sized<CondemnedBlob>>>;
  /** What no index names and whose subject is not there, if it has one; a tag may point at it. */
  unneededManifests(
    after: Place,
    graceHours: number,
  ): Promise<Page<Unneeded<ManifestAt> & ManifestWithSubject>>;
  /** As `condemnedBlobs`. */
  condemnedManifests(after: Place, delayHours: number): Promise<Page<Sized<CondemnedManifest>>>;
  /** Counts what is there, which takes its time. */
  measure(delayHours: number): Promise<Extent>;
  /** Those of `keys` that the views, brought up to the log's head, do not name. */
  unknownKeys(entries: readonly { key: string; digest: Digest }[]): Promise<readonly string[]>;
  now(): Promise<Date>;
}

/** One thing that this run has done, or would have in a dry run, and why. What others did meanwhile is not told. */
export interface Finding {
  readonly deed: 'condemned' | 'reprieved' | 'removed';
  readonly kind: 'blob' | 'manifest' | 'orphan';
  /** None for bytes that no event names. */
  readonly repository?: string;
  readonly digest: Digest;
  /** Stored bytes. For a removal those that went with it: none while another repository holds the blob. */
  readonly bytes: number;
  readonly why: string;
}

/** How far a run is in one of its stages. */
export interface CollectionProgress {
  readonly stage: string;
  readonly done: number;
  /** Absent where nobody knows. */
  readonly total?: number;
  readonly bytes?: number;
  readonly totalBytes?: number;
}

export const stages = {
  settleManifests: 'removing manifests',
  settleBlobs: 'removing blobs',
  condemnManifests: 'condemning manifests',
  condemnBlobs: 'condemning blobs',
  sweepOrphans: 'sweeping stored bytes',
} as const;

export const reasons = {
  unneeded: 'no manifest of the repository needs it',
  untagged: 'no tag points at it and no index names it',
  detached: 'no tag points at it, and what it refers to is not there',
  still: 'it was condemned, and nothing has needed it since',
  needed: 'it came to be needed',
  orphan: 'no event names these bytes',
} as const;

/** Why a manifest goes that nothing keeps. */
export const whyUnneeded = ({ subject }: Pick<ManifestWithSubject, 'subject'>): string =>
  subject === null ? reasons.untagged : reasons.detached;

export const nameOf = ({ repository, digest }: Place): string => `${repository}@${digest}`;

/** Before the first place. */
export const start: Place = { repository: '', digest: '' };
/** With a delay of 0 what falls takes others along; what falls in later rounds is for the next run. */
export const maxRounds = 100;
