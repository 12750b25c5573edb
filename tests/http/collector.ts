import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { contentsOf, foresightOf, garbageOf } from '../../bin/contents.ts';
import { garbageCollector } from '../../bin/garbage.ts';
import { storedContents } from '../../bin/scrub.ts';
import { atOnce } from '../../commands/at-once.ts';
import { collectGarbage } from '../../commands/collect-garbage.ts';
import type { Contents } from '../../commands/contents.ts';
import { createTag } from '../../commands/create-tag.ts';
import { deleteManifest } from '../../commands/delete-manifest.ts';
import { foreseeCollection } from '../../commands/foresee-collection.ts';
import type { CollectGarbage, Finding, Garbage } from '../../commands/garbage.ts';
import { mountBlob } from '../../commands/mount-blob.ts';
import { type PushManifest, pushManifest } from '../../commands/push-manifest.ts';
import { recorder } from '../../commands/record.ts';
import { removal } from '../../commands/remove-unneeded.ts';
import { reportDamage } from '../../commands/report-damage.ts';
import { storeBlob } from '../../commands/store-blob.ts';
import { parseManifest } from '../../domain/artifact/manifest.ts';
import { catalogue } from '../../domain/catalogue.ts';
import type { Digest } from '../../domain/digest.ts';
import { openFilesystemStore } from '../../infra/blob-store/filesystem.ts';
import type { BlobStore } from '../../infra/blob-store/port.ts';
import { connectDatabase } from '../../infra/database/connect.ts';
import { runningPostgres } from '../../infra/database/embedded-postgres.ts';
import { newEventId } from '../../infra/event-log/ids.ts';
import { runViews } from '../../infra/views/runner.ts';
import { projections } from '../../projections/projections.ts';
import type { Collecting } from '../../workers/collect-garbage.ts';
import { type Scrubbed, type ScrubPlace, type ScrubProgress, scrub } from '../../workers/scrub.ts';
import type { Scope, TestServer } from '../server.ts';
import { digestOf } from './client.ts';
import { openLogOf } from './server-log.ts';

/** No grace and no delay; bytes that no event names stay, since somebody may be pushing. */
export const atOnceSettings: CollectGarbage = {
  dryRun: false,
  graceHours: 0,
  untagged: true,
  untaggedGraceHours: 0,
  delayHours: 0,
  orphanHours: 24,
};

/**
 * The collector of a second process on the data of a running server, whole and in its single steps, so that a test can
 * do between two of them what a client or a crash might.
 */
export async function openCollector(t: Scope, server: TestServer) {
  const connection = await runningPostgres(join(server.dataDirectory, 'postgres'));
  const log = await openLogOf(t, server);
  const database = await connectDatabase({
    connection: connection('shiplog_views'),
    poolSize: 5,
    waitMs: 10_000,
  });
  t.after(() => database.close());
  const views = await runViews({
    ...{ log, database, catalogue, projections, waitMs: 30_000 },
    onStop: ({ error }) => {
      throw error;
    },
    onOutage: () => undefined,
  });
  t.after(() => views.close());
  const store: BlobStore = await openFilesystemStore({ directory: join(server.dataDirectory, 'blobs') });
  t.after(() => store.close());

  const record = recorder({ log, catalogue, newEventId });
  const contents = contentsOf({ database, views });
  const garbage = garbageOf({ log, database, views });
  const metadata = { actor: 'system' };
  const fresh = (repository: string, digest: string) => ({
    repository,
    digest: digest as Digest,
    condemnation: randomUUID(),
  });

  /** The two phases, with `changed` in the place of what the commands would ask or do. */
  function phases(changed: Changed = {}) {
    const steps = removal({
      record,
      store: { ...store, ...changed.store },
      contents: { ...contents, ...changed.contents },
    });
    return {
      /** The first phase for one blob, whether or not something needs it; what it resolves to is for the second. */
      condemnBlob: (repository: string, digest: string) =>
        steps.condemnBlobs([fresh(repository, digest)], metadata),
      async settleBlob(condemned: Awaited<ReturnType<typeof steps.condemnBlobs>>) {
        const [settled] = await steps.settleBlobs(condemned, metadata);
        return settled?.outcome;
      },
      condemnManifest: (repository: string, digest: string) =>
        steps.condemnManifests([fresh(repository, digest)], metadata),
      async settleManifest(condemned: Awaited<ReturnType<typeof steps.condemnManifests>>) {
        const [settled] = await steps.settleManifests(condemned, { referrersStay: true }, metadata);
        return settled?.outcome;
      },
    };
  }

  const damaged = reportDamage({ record, contents });

  return {
    log,
    store,
    reportDamage: damaged,
    ...phases(),
    phases,

    /** A push on another gateway, with `changed` in the place of what the command would ask or do. */
    push(
      repository: string,
      { manifest, digest }: { readonly manifest: string; readonly digest: string },
      { tags = [], condition, ...changed }: Changed & Partial<Pick<PushManifest, 'tags' | 'condition'>>,
    ): Promise<bigint> {
      const push = pushManifest({
        record,
        store: { ...store, ...changed.store },
        contents: { ...contents, ...changed.contents },
        newCondemnation: randomUUID,
      });
      const bytes = Buffer.from(manifest);
      const { mediaType } = JSON.parse(manifest) as { mediaType: string };
      const parsed = parseManifest(bytes, mediaType);
      return push(
        {
          ...{ repository, digest: digest as Digest, bytes, manifest: parsed, tags },
          ...(condition !== undefined && { condition }),
        },
        metadata,
      );
    },

    /** A deletion on another gateway, with `changed` as for a push; resolves to whether the manifest was there. */
    deleteManifest: (repository: string, digest: string, changed: Changed) =>
      deleteManifest({
        record,
        store: { ...store, ...changed.store },
        contents: { ...contents, ...changed.contents },
        newCondemnation: randomUUID,
      })({ repository, digest: digest as Digest }, metadata),

    /** A tag that is created on another gateway, with `changed` as for a push; resolves to whether the manifest is there. */
    createTag: (repository: string, digest: string, tag: string, changed: Changed) =>
      createTag({ record, contents: { ...contents, ...changed.contents } })(
        { repository, digest: digest as Digest, tag },
        metadata,
      ),

    garbage,
    contents,
    database,
    views,
    record,

    /** Resolves to whether there was something to mount. */
    async mount(repository: string, digest: string, from: string): Promise<boolean> {
      const position = await mountBlob({ record })({ digest: digest as Digest, repository, from }, metadata);
      return position !== undefined;
    },

    /** A whole run without the lock, with `changed` as for a push; resolves to what it did. */
    async collect(
      settings: Partial<CollectGarbage> = {},
      changed: Changed & { readonly garbage?: Partial<Garbage>; readonly correlationId?: string } = {},
    ) {
      const { correlationId } = changed;
      const findings: Finding[] = [];
      const collect = collectGarbage({
        record,
        store: { ...store, ...changed.store },
        contents: { ...contents, ...changed.contents },
        garbage: { ...garbage, ...changed.garbage },
        newCondemnation: randomUUID,
        report: (finding) => findings.push(finding),
      });
      await collect(
        { ...atOnceSettings, ...settings },
        { ...metadata, ...(correlationId !== undefined && { correlationId }) },
        new AbortController().signal,
      );
      return findings;
    },

    /** A run as the server does it. */
    run: (
      settings: Partial<CollectGarbage> = {},
      stopping = new AbortController().signal,
      collecting: Collecting = {},
    ) =>
      garbageCollector({ log, record, store, database, views })(
        { ...atOnceSettings, ...settings },
        stopping,
        {
          onFailure: (error) => {
            throw error;
          },
          ...collecting,
        },
      ),

    /** What `collect` would do. */
    async foresee(settings: Partial<CollectGarbage> & { readonly toTheEnd?: boolean } = {}) {
      const findings: Finding[] = [];
      const foresee = foreseeCollection({
        ...{ garbage, contents, store, foresight: foresightOf({ database, views }) },
        report: (finding) => findings.push(finding),
      });
      await foresee({ toTheEnd: false, ...atOnceSettings, ...settings }, new AbortController().signal);
      return findings;
    },

    /** Stores each of `contents` as a blob that nothing needs, on the way of another gateway. */
    async storeBlobs(repository: string, contents: readonly string[]): Promise<void> {
      const storing = storeBlob({ record, store });
      await atOnce(32, contents, async (content) => {
        const digest = digestOf(content) as Digest;
        const stored = await store.put(digest, Readable.from([Buffer.from(content)]));
        await storing({ ...stored, repository }, metadata);
      });
      await views.caughtUp();
    },

    /** Reads everything after `after`, until `onProgress` aborts `stopping`. */
    async scrub({
      after,
      stopping = new AbortController().signal,
      onProgress = () => undefined,
    }: {
      after?: ScrubPlace | undefined;
      stopping?: AbortSignal;
      onProgress?: (progress: ScrubProgress) => void;
    } = {}): Promise<Scrubbed> {
      const contentsAfter = storedContents(database);
      const run = scrub({ store, contentsAfter, damaged, onProgress });
      const scrubbed = await run({ bytesPerSecond: 2 ** 40, after }, metadata, stopping);
      if (scrubbed.status === 'failed') throw scrubbed.failure;
      return scrubbed;
    },

    /** What collectors have recorded after the position, by anybody; a pull may be recorded whenever. */
    async deedsAfter(position: bigint): Promise<string[]> {
      const deeds = /Condemned|Reprieved|Unlinked|(?:Blob|Manifest)Deleted|GarbageCollection/;
      const types: string[] = [];
      for await (const events of log.readAll(position)) types.push(...events.map(({ type }) => type));
      return types.filter((type) => deeds.test(type));
    },

    /** The keys of all stored bytes. */
    async keys(): Promise<string[]> {
      return (await Array.fromAsync(store.list())).map(({ key }) => key);
    },
  };
}

/** What a test puts into the place of a port's methods, to do something between two steps of a command. */
export interface Changed {
  readonly contents?: Partial<Contents>;
  readonly store?: Partial<BlobStore>;
}

export type Collector = Awaited<ReturnType<typeof openCollector>>;
