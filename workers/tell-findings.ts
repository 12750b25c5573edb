import type { Finding } from '../commands/garbage.ts';
import type { JobRun } from './job.ts';

/** So many are named in the log of a run, the others are counted: more at once than it takes would leave out the sum. */
const namedAtMost = 1000;

const verbs = {
  done: { condemned: 'condemned', reprieved: 'kept', removed: 'removed' },
  foreseen: { condemned: 'would condemn', reprieved: 'would keep', removed: 'would remove' },
} as const;

/** Names in the log of a job what went, or would go, and why. */
export function tellFindings(run: Pick<JobRun, 'log'>, { isDryRun }: { readonly isDryRun: boolean }) {
  const words = isDryRun ? verbs.foreseen : verbs.done;
  let named = 0;
  const unnamed = new Map<string, number>();
  return {
    tell({ deed, kind, repository, digest, bytes, why }: Finding): void {
      const verb = words[deed];
      if (named === namedAtMost) {
        const what = `${verb} ${kind}`;
        unnamed.set(what, (unnamed.get(what) ?? 0) + 1);
        return;
      }
      named += 1;
      const at = repository === undefined ? digest : `${repository}@${digest}`;
      run.log(`${verb} ${kind} ${at} (${bytes} bytes): ${why}`);
    },
    /** Says how many were not named. */
    end(): void {
      for (const [what, count] of unnamed) run.log(`${what}: ${count} more, which are not named here`);
    },
  };
}
