import type { CollectGarbage } from '../commands/garbage.ts';
import { type GarbageParameters, garbageParameters } from '../domain/garbage-collection/parameters.ts';
import type { GarbageRun, RunGarbageCollection } from './collect-garbage.ts';
import type { JobHandler, JobResult } from './job.ts';
import { tellFindings } from './tell-findings.ts';

interface Ports {
  readonly collect: RunGarbageCollection;
  /** What counts where the parameters say nothing. */
  readonly settings: CollectGarbage;
  onRun?(run: GarbageRun): void;
}

/**
 * GARBAGE_COLLECTION: a run of the collector under the id of the job. Another one is waited for, as long as the attempts
 * last; what a killed one has begun is gone on with, and only what came after it is counted.
 */
export const garbageJob = ({ collect, settings, onRun }: Ports): JobHandler<GarbageParameters> => ({
  kind: 'GARBAGE_COLLECTION',
  parameters: garbageParameters,
  exclusive: true,

  async run({ parameters, jobId, attempt }, run) {
    const asked = garbageSettingsFor(settings, parameters);
    const findings = tellFindings(run, { isDryRun: asked.dryRun });
    let failure: unknown;
    run.log(`start to run gc in job, attempt ${attempt}: ${spell(asked)}`);
    const finished = await collect(asked, run.stopping, {
      ...{ run: jobId, workers: parameters.workers },
      onFinding: findings.tell,
      onProgress: (progress) => run.progress(progress),
      onFailure(error) {
        failure = error;
      },
    });
    if (finished === undefined) throw new Error('another collector of garbage is at work');
    findings.end();
    run.log(summaryOf(finished, asked));
    if (!asked.dryRun) onRun?.(finished);
    if (finished.status === 'failed') throw failure;
    if (finished.status === 'completed') run.log('success to run gc in job.');
    return resultOf(finished);
  },
});

/** What is asked for, and what is configured where nothing is said. Manifests are spared as long as nobody says so. */
export const garbageSettingsFor = (
  configured: CollectGarbage,
  asked: Omit<GarbageParameters, 'workers' | 'delete_tag'>,
): CollectGarbage => ({
  ...configured,
  dryRun: asked.dry_run ?? false,
  untagged: asked.delete_untagged ?? false,
  graceHours: asked.grace_hours ?? configured.graceHours,
  untaggedGraceHours: asked.untagged_grace_hours ?? configured.untaggedGraceHours,
  delayHours: asked.delay_hours ?? configured.delayHours,
});

/** By the names that Harbor shows them by, and the others beside. */
export const resultOf = ({
  bytes,
  blobs,
  manifests,
  condemned,
  reprieved,
  orphans,
}: GarbageRun): JobResult => ({
  freed_space: bytes,
  purged_blobs: blobs,
  purged_manifests: manifests,
  condemned,
  reprieved,
  orphans,
});

const spell = ({ dryRun, untagged, graceHours, untaggedGraceHours, delayHours }: CollectGarbage): string =>
  [
    `dry run: ${dryRun}`,
    `delete untagged: ${untagged}`,
    `grace: ${graceHours} h, of manifests ${untaggedGraceHours} h`,
    `delay: ${delayHours} h`,
  ].join(', ');

function summaryOf(run: GarbageRun, { dryRun }: CollectGarbage): string {
  const { status, condemned, reprieved, blobs, manifests, orphans, bytes, durationMs } = run;
  const seconds = (durationMs / 1000).toFixed(1);
  return dryRun
    ? `${blobs} blobs and ${manifests} manifests eligible for deletion, ${orphans} orphans, ${bytes} bytes; ` +
        `would condemn ${condemned}. Nothing was changed`
    : `${status} in ${seconds} s: removed ${blobs} blobs, ${manifests} manifests and ${orphans} orphans, ` +
        `freed ${bytes} bytes; condemned ${condemned}, kept ${reprieved}`;
}
