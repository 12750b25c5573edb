import { randomUUID } from 'node:crypto';
import { reportDamage } from '../commands/report-damage.ts';
import type { Database } from '../infra/database/connect.ts';
import { viewOf } from '../infra/database/projection.ts';
import { type ArtifactsDatabase, artifacts } from '../projections/artifacts/projection.ts';
import { listStoredManifests } from '../projections/artifacts/queries.ts';
import { type BlobsDatabase, blobs } from '../projections/blobs/projection.ts';
import { listStoredBlobs } from '../projections/blobs/queries.ts';
import { type Scrubbed, type ScrubPlace, type ScrubPorts, scrub } from '../workers/scrub.ts';
import { contentsOf } from './contents.ts';
import { asTool } from './tool.ts';

export interface ScrubOptions {
  /** MiB a second. */
  readonly rate: number;
  readonly after?: string;
  readonly json?: boolean;
}

/** Between two lines of progress, in milliseconds. */
const progressMs = 5000;
const pageRows = 200;

/** `shiplog scrub`: exit code 1 when something is damaged, 2 when it was stopped or could not go on. */
export async function scrubStore(file: string | undefined, options: ScrubOptions): Promise<void> {
  const after = options.after === undefined ? undefined : readPlace(options.after);
  if (options.after !== undefined && after === undefined) {
    console.error(`${options.after} is no place: blob/<digest> or artifact/<repository>@<digest>`);
    process.exitCode = 2;
    return;
  }
  await asTool(file, async ({ record, store, database, views, stopping }) => {
    let shownAt = performance.now();
    const run = scrub({
      store,
      contentsAfter: storedContents(database),
      damaged: reportDamage({ record, contents: contentsOf({ database, views }) }),
      onProgress(progress) {
        if (performance.now() - shownAt < progressMs) return;
        shownAt = performance.now();
        console.error(progressLine(progress));
      },
    });
    const metadata = { actor: 'system', correlationId: randomUUID() };
    const scrubbed = await run({ bytesPerSecond: options.rate * 2 ** 20, after }, metadata, stopping);
    console.log(options.json ? JSON.stringify(forPrograms(scrubbed), null, 2) : forPeople(scrubbed));
    if (scrubbed.next !== undefined) process.exitCode = 2;
    else if (scrubbed.damages.length > 0) process.exitCode = 1;
  });
}

/** All bytes that the views name, a page at a time: the blobs by their digests, then the manifests. */
export function storedContents({ kysely }: Pick<Database, 'kysely'>): ScrubPorts['contentsAfter'] {
  const inArtifacts = viewOf<ArtifactsDatabase>(kysely, artifacts);
  const inBlobs = viewOf<BlobsDatabase>(kysely, blobs);
  return async ({ repository, digest } = { digest: '' }) => {
    if (repository !== undefined) return listStoredManifests(inArtifacts, { repository, digest }, pageRows);
    const page = await listStoredBlobs(inBlobs, digest, pageRows);
    return page.length > 0
      ? page
      : listStoredManifests(inArtifacts, { repository: '', digest: '' }, pageRows);
  };
}

/** A place is written as the stream of what was looked at last. */
function readPlace(text: string): ScrubPlace | undefined {
  const [, blob] = /^blob\/([a-z0-9]+:[0-9a-f]+)$/.exec(text) ?? [];
  if (blob !== undefined) return { digest: blob };
  const [, repository, digest] = /^artifact\/([^@]+)@([a-z0-9]+:[0-9a-f]+)$/.exec(text) ?? [];
  return repository === undefined || digest === undefined ? undefined : { repository, digest };
}

const writePlace = ({ repository, digest }: ScrubPlace): string =>
  repository === undefined ? `blob/${digest}` : `artifact/${repository}@${digest}`;

const number = (of: number): string => of.toLocaleString('en-US');

function progressLine({ blobs, manifests, bytes, damages, next }: Scrubbed): string {
  const seen = `${number(blobs)} blobs and ${number(manifests)} manifests, ${number(bytes)} bytes`;
  return `${seen}; ${damages.length} damaged${next === undefined ? '' : `; at ${writePlace(next)}`}`;
}

function forPeople(scrubbed: Scrubbed): string {
  const lines = scrubbed.damages.map(
    (damage) => `${writePlace(damage)}: ${damage.fault}${damage.isKnown ? ' (known before)' : ''}`,
  );
  const stopped = scrubbed.next && [`stopped; go on with --after ${writePlace(scrubbed.next)}`];
  return [...lines, progressLine({ ...scrubbed, next: undefined }), ...(stopped ?? [])].join('\n');
}

const forPrograms = ({ damages, next, ...seen }: Scrubbed) => ({
  ...seen,
  damages: damages.map(({ repository, digest, key, fault, isKnown }) => ({
    kind: repository === undefined ? 'blob' : 'manifest',
    repository,
    digest,
    key,
    fault,
    isKnown,
  })),
  next: next === undefined ? null : writePlace(next),
});
