import { randomUUID } from 'node:crypto';
import { reportDamage } from '../commands/report-damage.ts';
import type { Database } from '../infra/database/connect.ts';
import { viewOf } from '../infra/database/projection.ts';
import { type ArtifactsDatabase, artifacts } from '../projections/artifacts/projection.ts';
import { listStoredManifests } from '../projections/artifacts/queries.ts';
import { type BlobsDatabase, blobs } from '../projections/blobs/projection.ts';
import { listStoredBlobs } from '../projections/blobs/queries.ts';
import {
  type Scrubbed,
  type ScrubPlace,
  type ScrubPorts,
  type ScrubProgress,
  type StoredContent,
  scrub,
} from '../workers/scrub.ts';
import { contentsOf } from './contents.ts';
import { startFailure } from './start-failure.ts';
import { asTool, type Tool } from './tool.ts';

export interface ScrubOptions {
  /** MiB a second. */
  readonly rate: number;
  readonly after?: string;
  readonly json?: boolean;
}

/** Between two lines of progress, in milliseconds. */
const progressMs = 5000;
const pageRows = 200;

/** Anything but that all was looked at, so that nobody takes an outage for damage. */
const incompleteCode = 2;

/**
 * `shiplog scrub`: exit code 1 when something is damaged, 2 when it was stopped, could not go on or could not read
 * everything.
 */
export async function scrubStore(file: string | undefined, options: ScrubOptions): Promise<void> {
  const after = options.after === undefined ? undefined : readPlace(options.after);
  if (options.after !== undefined && after === undefined) {
    console.error(`${options.after} is no place: blob/<digest> or artifact/<repository>@<digest>`);
    process.exitCode = incompleteCode;
    return;
  }
  try {
    const scrubbed = await asTool(file, (tool) => scrubWith(tool, options, after), incompleteCode);
    process.exitCode = exitCodeOf(scrubbed);
  } catch (error) {
    // Before it began, or at the end of its connections.
    console.error(startFailure(error) ?? error);
    process.exitCode = incompleteCode;
  }
}

async function scrubWith(
  { record, store, database, views, stopping }: Tool,
  { rate, json }: ScrubOptions,
  after: ScrubPlace | undefined,
): Promise<Scrubbed> {
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
  const scrubbed = await run({ bytesPerSecond: rate * 2 ** 20, after }, metadata, stopping);
  console.log(json ? JSON.stringify(forPrograms(scrubbed), null, 2) : forPeople(scrubbed));
  // A bug, which its place in the code explains.
  if (scrubbed.status === 'failed' && startFailure(scrubbed.failure) === undefined)
    console.error(scrubbed.failure);
  return scrubbed;
}

function exitCodeOf({ status, damages, unreadable }: Scrubbed): number {
  if (status !== 'completed' || unreadable.length > 0) return incompleteCode;
  return damages.length > 0 ? 1 : 0;
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

function progressLine({ blobs, manifests, bytes, damages, unreadable, next }: ScrubProgress): string {
  const seen = `${number(blobs)} blobs and ${number(manifests)} manifests, ${number(bytes)} bytes`;
  const bad = `${damages.length} damaged${unreadable.length === 0 ? '' : `, ${unreadable.length} unreadable`}`;
  return `${seen}; ${bad}${next === undefined ? '' : `; at ${writePlace(next)}`}`;
}

function forPeople(scrubbed: Scrubbed): string {
  const { damages, unreadable, status, next } = scrubbed;
  const lines = [
    ...damages.map(
      (damage) => `${writePlace(damage)}: ${damage.fault}${damage.isKnown ? ' (known before)' : ''}`,
    ),
    ...unreadable.map((one) => `${writePlace(one)}: cannot be read: ${wordsOf(one.error)}`),
    progressLine({ ...scrubbed, next: undefined }),
  ];
  const goOn = next === undefined ? '' : `; go on with --after ${writePlace(next)}`;
  if (status === 'stopped') lines.push(`stopped${goOn}`);
  if (status === 'failed') lines.push(`could not go on: ${wordsOf(scrubbed.failure)}${goOn}`);
  return lines.join('\n');
}

const wordsOf = (error: unknown): string => startFailure(error) ?? String(error);

const forPrograms = ({ damages, unreadable, next, failure, ...seen }: Scrubbed) => ({
  ...seen,
  damages: damages.map(({ fault, isKnown, ...content }) => ({ ...nameOf(content), fault, isKnown })),
  unreadable: unreadable.map(({ error, ...content }) => ({ ...nameOf(content), error: wordsOf(error) })),
  next: next === undefined ? null : writePlace(next),
  ...(failure !== undefined && { failure: wordsOf(failure) }),
});

const nameOf = ({ repository, digest, key }: Omit<StoredContent, 'fault'>) => ({
  kind: repository === undefined ? 'blob' : 'manifest',
  repository,
  digest,
  key,
});
