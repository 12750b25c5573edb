import { z } from 'zod';
import { sweepOrphans } from '../commands/sweep-orphans.ts';
import type { JobHandler } from './job.ts';
import { type SweepUploadsPorts, sweepUploads } from './sweep-uploads.ts';
import { tellFindings } from './tell-findings.ts';

type OrphanPorts = Parameters<typeof sweepOrphans>[0];

interface Ports {
  readonly store: SweepUploadsPorts['store'] & OrphanPorts['store'];
  readonly garbage: OrphanPorts['garbage'];
  /** Milliseconds since anybody was at work on an upload. */
  readonly uploadAgeMs: number;
  readonly orphanHours: number;
}

/** SYSTEM_ARTIFACT_CLEANUP: what pushes have left that did not come to their end. */
export const cleanUpJob = ({
  store,
  garbage,
  uploadAgeMs,
  orphanHours,
}: Ports): JobHandler<Record<string, never>> => ({
  kind: 'SYSTEM_ARTIFACT_CLEANUP',
  parameters: z.object({}),
  exclusive: true,

  async run(_, run) {
    const { stopping } = run;
    run.progress({ stage: 'dropping abandoned uploads', done: 0 });
    const sweep = sweepUploads({ store, now: () => new Date(), stopping });
    const { expired, busy } = await sweep({ ageMs: uploadAgeMs, dryRun: false });
    run.log(`dropped ${expired} abandoned uploads; of ${busy} old ones somebody is at work`);

    let orphans = 0;
    let bytes = 0;
    const findings = tellFindings(run, { isDryRun: false });
    const orphansOf = sweepOrphans({
      ...{ store, garbage },
      report(finding) {
        orphans += 1;
        bytes += finding.bytes;
        findings.tell(finding);
      },
      onProgress: (progress) => run.progress(progress),
    });
    try {
      await orphansOf({ orphanHours, dryRun: false }, stopping);
    } catch (error) {
      if (!stopping.aborted) throw error;
    }
    findings.end();
    run.log(`removed ${orphans} stored bytes that no event names, ${bytes} bytes`);
    return { expired_uploads: expired, orphans, freed_space: bytes };
  },
});
