import type { ManifestAt } from '../domain/artifact/decider.ts';
import type { BlobAt } from '../domain/blob/decider.ts';
import type { Metadata } from '../domain/event.ts';
import { projectStream } from '../domain/project/events.ts';
import { type Reason, Refusal } from '../domain/refusal.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { deleteManifest } from './delete-manifest.ts';
import type { Place } from './garbage.ts';
import { type RemovalPorts, removal } from './remove-unneeded.ts';

export interface ClearProjectPorts extends RemovalPorts {
  readonly log: Pick<EventLog, 'readStream' | 'head'>;
  /** A new UUID. */
  readonly newCondemnation: () => string;
}

/** A rule is of the next project of the name, which has come meanwhile. */
const keeping: readonly Reason['kind'][] = ['manifest-referenced', 'tag-immutable'];
const start: Place = { repository: '', digest: '' };
const pageSize = 100;

/**
 * Empties the repositories of a project by the means of the collector, so that it can be stopped at any moment and goes on
 * where it was when it is called again, and takes nothing that somebody comes to need meanwhile.
 */
export function projectClearer(ports: ClearProjectPorts) {
  const { log, contents, newCondemnation } = ports;
  const { condemnBlobs, settleBlobs } = removal(ports);
  const deleting = deleteManifest(ports);

  /** Takes away every blob that no manifest needs, however young it is. */
  async function releaseBlobs(project: string, metadata: Metadata): Promise<void> {
    for await (const page of pagesOf((after) => contents.blobsOf(project, after, pageSize))) {
      const fresh = page.map((blob) => ({ ...blob, condemnation: newCondemnation() }));
      await settleBlobs(await condemnBlobs(fresh, metadata), metadata);
    }
  }

  /** Takes away all that is left under a name that was a project's, as long as it is nobody's. */
  async function clearVacant(project: string, metadata: Metadata): Promise<void> {
    if (!(await isVacant(project))) return;
    await contents.reached(await log.head());
    await deleteManifests(project, metadata);
    if (await isVacant(project)) await releaseBlobs(project, metadata);
  }

  async function isVacant(project: string): Promise<boolean> {
    const { events } = await log.readStream(projectStream(project));
    return events.at(-1)?.type === 'ProjectDeleted';
  }

  /** What an index names goes in the round after the index. */
  async function deleteManifests(project: string, metadata: Metadata): Promise<void> {
    for (let deleted = 1, left = 1; left > 0 && deleted > 0; ) {
      [deleted, left] = [0, 0];
      for await (const page of pagesOf((after) => contents.manifestsOf(project, after, pageSize)))
        for (const manifest of page) {
          // Each time: what another request puts into a project that it has just created is none of ours.
          if (!(await isVacant(project))) return;
          if (await isDeleted(manifest, metadata)) deleted += 1;
          else left += 1;
        }
    }
  }

  async function isDeleted(manifest: ManifestAt, metadata: Metadata): Promise<boolean> {
    try {
      await deleting(manifest, metadata);
      return true;
    } catch (error) {
      if (error instanceof Refusal && keeping.includes(error.reason.kind)) return false;
      throw error;
    }
  }

  return { releaseBlobs, clearVacant };
}

async function* pagesOf<At extends BlobAt>(
  find: (after: Place) => Promise<readonly At[]>,
): AsyncGenerator<readonly At[]> {
  for (let after: Place | undefined = start; after !== undefined; ) {
    const page: readonly At[] = await find(after);
    yield page;
    after = page.length < pageSize ? undefined : page.at(-1);
  }
}
