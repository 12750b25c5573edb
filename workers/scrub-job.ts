import { type ScrubParameters, scrubParameters } from '../domain/garbage-collection/parameters.ts';
import type { JobResults } from '../infra/job-results/port.ts';
import type { JobHandler } from './job.ts';
import { type ScrubPlace, type ScrubPorts, scrub } from './scrub.ts';

type Ports = Omit<ScrubPorts, 'onProgress'> & {
  readonly results: Pick<JobResults, 'replace' | 'read'>;
  /** How many blobs and manifests there are, and their bytes; counted, which takes its time. */
  measure(): Promise<{ readonly items: number; readonly bytes: number }>;
};

const standardRate = 50;
/** How often it is noted where the scrub is, in milliseconds: who goes on after a crash reads that much again. */
const noteMs = 30_000;

/**
 * SCRUB: reads all that is stored and compares it with its digests. It may take days, so that it goes on where it was
 * when its worker was killed; what was found before that is in its log, and counts no more.
 */
export const scrubJob = ({ results, measure, ...ports }: Ports): JobHandler<ScrubParameters> => ({
  kind: 'SCRUB',
  parameters: scrubParameters,
  exclusive: true,

  async run({ parameters: { rate = standardRate }, taskId, jobId, attempt }, run) {
    const after = attempt === 1 ? undefined : await placeOf(results, taskId);
    const { items, bytes: totalBytes } = await measure();
    let named = 0;
    let notedAt = performance.now();
    let noting: Promise<unknown> = Promise.resolve();
    run.log(`scrub with ${rate} MiB a second at most${after === undefined ? '' : `, after ${after.digest}`}`);
    const scrubbing = scrub({
      ...ports,
      onProgress({ blobs, manifests, bytes, damages, unreadable, next }) {
        for (const damage of damages.slice(named)) {
          named += 1;
          run.log(`${placeName(damage)}: ${damage.fault}${damage.isKnown ? ' (known before)' : ''}`, 'error');
        }
        // Of a scrub that goes on somewhere it is not known how much is left.
        const whole = after === undefined && { total: items, totalBytes };
        run.progress({
          stage: `reading, ${unreadable.length} unreadable`,
          done: blobs + manifests,
          bytes,
          ...whole,
        });
        if (performance.now() - notedAt < noteMs || next === undefined) return;
        notedAt = performance.now();
        // The next note makes up for one that fails.
        noting = noting.then(() => results.replace(taskId, [{ ...next }])).catch(() => undefined);
      },
    });
    const metadata = { actor: 'system', correlationId: jobId };
    const scrubbed = await scrubbing({ bytesPerSecond: rate * 2 ** 20, after }, metadata, run.stopping);
    await noting;
    const { blobs, manifests, bytes, damages, unreadable, status, failure, next } = scrubbed;
    for (const one of unreadable) run.log(`${placeName(one)}: cannot be read: ${one.error.message}`, 'error');
    run.log(
      `${status}: ${blobs} blobs and ${manifests} manifests, ${bytes} bytes; ` +
        `${damages.length} damaged, ${unreadable.length} unreadable`,
    );
    // Also of one that was stopped: its worker may have ended, and another goes on.
    if (next !== undefined) await results.replace(taskId, [{ ...next }]).catch(() => undefined);
    if (status === 'failed') throw failure;
    return { blobs, manifests, bytes, damaged: damages.length, unreadable: unreadable.length };
  },
});

async function placeOf(results: Pick<JobResults, 'read'>, taskId: number): Promise<ScrubPlace | undefined> {
  const [noted] = await results.read<ScrubPlace>(taskId, 0, 1);
  return noted?.row;
}

const placeName = ({ repository, digest }: ScrubPlace): string =>
  repository === undefined ? digest : `${repository}@${digest}`;
