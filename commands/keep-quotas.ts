import type { MountBlob, StoreBlob } from '../domain/blob/decider.ts';
import type { Digest } from '../domain/digest.ts';
import type { Metadata } from '../domain/event.ts';
import type { QuotaRefusalEvent } from '../domain/quota/events.ts';
import { quotaRefusalsStream } from '../domain/quota/events.ts';
import { Refusal } from '../domain/refusal.ts';
import { projectOf } from '../domain/repository.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import type { Limit, QuotaLedger } from '../infra/quota-claims/port.ts';
import type { PushManifest } from './push-manifest.ts';
import type { BackgroundRecorder } from './record-in-background.ts';

/** What a push is about to put into a repository. */
export interface PushedContent {
  readonly repository: string;
  readonly kind: 'blob' | 'manifest';
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

/** A blob whose bytes are about to be taken. */
export interface AnnouncedBlob {
  readonly repository: string;
  /** Where the client has told it. */
  readonly digest: Digest | undefined;
  /** What it has at least, in bytes. */
  readonly size: number;
}

export interface KeepQuotasPorts {
  readonly ledger: Pick<QuotaLedger, 'within' | 'requireRoom'>;
  readonly store: Pick<BlobStore, 'delete'>;
  readonly background: Pick<BackgroundRecorder, 'record'>;
  limitOf(project: string): Promise<Limit | undefined>;
  /** The blob, where the repository holds it. */
  findBlob(repository: string, digest: Digest): Promise<{ readonly size: number } | undefined>;
  /** Milliseconds; only differences count. */
  now(): number;
}

/** Of the refusals of one project, and one process, in this time one is recorded; milliseconds. */
const refusalsMs = 60_000;
/** Projects whose last refusal is kept in mind. */
const maxProjects = 10_000;

/** What puts something into a project, within what the project may hold. */
export function quotaKeeper({ ledger, store, background, limitOf, findBlob, now }: KeepQuotasPorts) {
  const recordedAt = new Map<number, number>();

  /** @throws Refusal `quota-exceeded`, before `work` begins. */
  async function within<Result>(
    content: PushedContent,
    metadata: Metadata,
    work: () => Promise<Result>,
    positionOf: (result: Result) => bigint | undefined = () => undefined,
  ): Promise<Result> {
    const project = projectOf(content.repository);
    let began = false;
    try {
      return await ledger.within(
        { ...content, project },
        () => {
          began = true;
          return work();
        },
        positionOf,
      );
    } catch (error) {
      if (!began && isExceeded(error)) await tell(project, content, error.reason, metadata);
      throw error;
    }
  }

  /** A client that does not give up, or a thousand, leave one event a minute. */
  async function tell(
    project: string,
    { repository, digest }: Pick<AnnouncedBlob, 'repository' | 'digest'>,
    { adding, used, limit: storage }: Exceeded['reason'],
    metadata: Metadata,
  ): Promise<void> {
    const projectId = (await limitOf(project))?.projectId;
    if (projectId === undefined) return;
    const last = recordedAt.get(projectId);
    if (last !== undefined && now() - last < refusalsMs) return;
    if (recordedAt.size >= maxProjects) recordedAt.clear();
    recordedAt.set(projectId, now());
    const event: QuotaRefusalEvent = {
      type: 'QuotaExceeded',
      data: { projectId, project, repository, digest: digest ?? null, adding, used, storage },
    };
    background.record(quotaRefusalsStream(projectId), event, metadata);
  }

  return {
    within,

    /** See `QuotaLedger.requireRoom`. @throws Refusal `quota-exceeded` */
    async requireRoom(blob: AnnouncedBlob, metadata: Metadata): Promise<void> {
      const project = projectOf(blob.repository);
      try {
        await ledger.requireRoom({ ...blob, project });
      } catch (error) {
        if (isExceeded(error)) await tell(project, blob, error.reason, metadata);
        throw error;
      }
    },

    storeBlob:
      (storing: (blob: StoreBlob, metadata: Metadata) => Promise<bigint>) =>
      async (blob: StoreBlob, metadata: Metadata): Promise<bigint> => {
        try {
          return await within({ kind: 'blob', ...blob }, metadata, () => storing(blob, metadata), same);
        } catch (error) {
          if (isExceeded(error)) await store.delete(blob.key);
          throw error;
        }
      },

    recoverBlob:
      (recovering: (blob: StoreBlob, metadata: Metadata) => Promise<bigint | undefined>) =>
      (blob: StoreBlob, metadata: Metadata): Promise<bigint | undefined> =>
        within({ kind: 'blob', ...blob }, metadata, () => recovering(blob, metadata), same),

    mountBlob:
      (mounting: (mount: MountBlob, metadata: Metadata) => Promise<bigint | undefined>) =>
      async (mount: MountBlob, metadata: Metadata): Promise<bigint | undefined> => {
        const { repository, digest, from } = mount;
        // Within a project it adds nothing, and where nothing counts nobody asks how large it is.
        if (projectOf(from) === projectOf(repository) || (await limitOf(projectOf(repository))) === undefined)
          return mounting(mount, metadata);
        const found = await findBlob(from, digest);
        if (found === undefined) return undefined;
        const content = { kind: 'blob', repository, digest, size: found.size } as const;
        return within(content, metadata, () => mounting(mount, metadata), same);
      },

    pushManifest:
      (pushing: (push: PushManifest, metadata: Metadata) => Promise<bigint>) =>
      (push: PushManifest, metadata: Metadata): Promise<bigint> => {
        const { repository, digest, bytes } = push;
        const content = { kind: 'manifest', repository, digest, size: bytes.length } as const;
        return within(content, metadata, () => pushing(push, metadata), same);
      },
  };
}
export type QuotaKeeper = ReturnType<typeof quotaKeeper>;

const same = <Position>(position: Position): Position => position;

type Exceeded = Refusal & { readonly reason: Extract<Refusal['reason'], { kind: 'quota-exceeded' }> };

export const isExceeded = (error: unknown): error is Exceeded =>
  error instanceof Refusal && error.reason.kind === 'quota-exceeded';
