import type { ForeseeCollection, Young } from '../commands/foresee-collection.ts';
import type { CollectGarbage, CollectionProgress, Finding } from '../commands/garbage.ts';
import { type WhatIfParameters, whatIfParameters } from '../domain/garbage-collection/parameters.ts';
import { projectOf } from '../domain/repository.ts';
import type { JobResults } from '../infra/job-results/port.ts';
import { garbageSettingsFor } from './collect-garbage-job.ts';
import type { JobHandler } from './job.ts';

interface Ports {
  foresee(watching: {
    report(finding: Finding): void;
    onYoung(young: Young): void;
    onProgress(progress: CollectionProgress): void;
  }): (settings: ForeseeCollection, stopping: AbortSignal) => Promise<void>;
  readonly settings: CollectGarbage;
  readonly results: Pick<JobResults, 'replace'>;
}

/** One thing of the result, as it is kept and shown. */
interface Row {
  readonly outcome: 'gone' | 'kept';
  readonly kind: Finding['kind'];
  readonly repository?: string;
  readonly digest: string;
  readonly bytes: number;
  readonly why: string;
  /** When its grace is over; ISO 8601. */
  readonly until?: string;
}

const standardLimit = 1000;
/** So many projects are named with their bytes; the others are one sum. */
const projectsAtMost = 100;
const young = 'nothing needs it, but its grace is not over';

/**
 * GC_WHAT_IF: what would be gone in the end under these settings, if nobody pushed or deleted; nothing is changed. The
 * largest things are kept as rows, the sums are the result of the task.
 */
export const foreseeGarbageJob = ({ foresee, settings, results }: Ports): JobHandler<WhatIfParameters> => ({
  kind: 'GC_WHAT_IF',
  parameters: whatIfParameters,

  async run({ parameters, taskId }, run) {
    const { limit = standardLimit } = parameters;
    const gone = largest(limit);
    const kept = largest(limit);
    const counts = { blobs: 0, manifests: 0, orphans: 0, bytes: 0 };
    const inGrace = { blobs: 0, manifests: 0, bytes: 0 };
    const projects = new Map<string, number>();

    const looking = foresee({
      report({ deed, kind, repository, digest, bytes, why }) {
        // What is condemned already and needed again is nothing that settings change.
        if (deed !== 'removed') return;
        counts[`${kind}s`] += 1;
        counts.bytes += bytes;
        const project = repository === undefined ? '' : projectOf(repository);
        projects.set(project, (projects.get(project) ?? 0) + bytes);
        const at = repository !== undefined && { repository };
        gone.add({ outcome: 'gone', kind, ...at, digest, bytes, why });
      },
      onYoung({ kind, repository, digest, size: bytes, until }) {
        inGrace[`${kind}s`] += 1;
        inGrace.bytes += bytes;
        const till = until.toISOString();
        kept.add({ outcome: 'kept', kind, repository, digest, bytes, why: young, until: till });
      },
      onProgress: (progress) => run.progress(progress),
    });
    try {
      const asked = { ...garbageSettingsFor(settings, parameters), toTheEnd: true };
      await looking(asked, run.stopping);
    } catch (error) {
      if (!run.stopping.aborted) throw error;
      return {};
    }
    await results.replace(taskId, [...gone.rows(), ...kept.rows()]);
    run.log(
      `${counts.blobs} blobs, ${counts.manifests} manifests and ${counts.orphans} orphans would go, ${counts.bytes} bytes`,
    );
    return { ...counts, in_grace: inGrace, bytes_by_project: bytesByProject(projects) };
  },
});

function bytesByProject(projects: ReadonlyMap<string, number>) {
  const sorted = [...projects].filter(([, bytes]) => bytes > 0).toSorted(([, one], [, other]) => other - one);
  const others = sorted.slice(projectsAtMost).reduce((sum, [, bytes]) => sum + bytes, 0);
  return [
    ...sorted.slice(0, projectsAtMost).map(([project, bytes]) => ({ project, bytes })),
    ...(others > 0 ? [{ project: null, bytes: others }] : []),
  ];
}

/** The `limit` largest of the rows that it is given. */
function largest(limit: number) {
  let rows: Row[] = [];
  const sorted = () =>
    rows
      .toSorted((one, other) => other.bytes - one.bytes || (one.digest < other.digest ? -1 : 1))
      .slice(0, limit);
  return {
    add(row: Row): void {
      rows.push(row);
      if (rows.length >= 2 * limit + 1000) rows = sorted();
    },
    rows: sorted,
  };
}
