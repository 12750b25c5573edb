import { z } from 'zod';
import type { addTasks } from '../commands/add-tasks.ts';
import { atOnce } from '../commands/at-once.ts';
import type { deleteArtifact } from '../commands/delete-artifact.ts';
import type { tellRetentionRun } from '../commands/tell-retention-run.ts';
import type { Digest } from '../domain/digest.ts';
import type { Metadata } from '../domain/event.ts';
import { Refusal } from '../domain/refusal.ts';
import { isSameAs, type Outcome, type RetentionRow } from '../domain/retention/row.ts';
import { type AppliedRetention, maxToldArtifacts } from '../domain/retention/run-events.ts';
import { readRules, rulesHere } from '../domain/retention/select.ts';
import type { ListedCandidate } from '../projections/repositories/candidates.ts';
import type { RetentionPolicy } from '../projections/retention/queries.ts';
import { type Job, type JobHandler, type JobResult, type JobRun, PermanentFailure } from './job.ts';
import { type DecisionPorts, decided, nameOf, pagesOf, rowsOf, stillCounts } from './retention-decisions.ts';

export interface ApplyRetentionPorts extends DecisionPorts {
  findPolicy(policyId: number): Promise<RetentionPolicy | undefined>;
  repositoriesOf(project: string, after: string, limit: number): Promise<readonly string[]>;
  /** As it is by now, with the pulls that are recorded. */
  findCandidate(repository: string, digest: Digest): Promise<ListedCandidate | undefined>;
  /** Resolves when all of these show what is recorded by now. */
  shown(): Promise<void>;
  readonly addTasks: ReturnType<typeof addTasks>;
  readonly deleteArtifact: ReturnType<typeof deleteArtifact>;
  /** What asked for an execution. */
  triggerOf(executionId: number): Promise<AppliedRetention['trigger']>;
  readonly tellRun: ReturnType<typeof tellRetentionRun>;
  /** Takes away the schedule of a policy that is gone. */
  removeSchedule(policyId: number, metadata: Metadata): Promise<unknown>;
}

const parameters = z.object({
  dryRun: z.boolean(),
  /** The full name; without it, the task adds one task for each repository. */
  repository: z.string().optional(),
});
type Parameters = z.output<typeof parameters>;

const namesAtOnce = 500;
const deletedAtOnce = 4;
/** Of the tags of an artifact, in what is told of the run. */
const maxToldTags = 10;

/**
 * Runs a retention policy. What is decided about a repository is kept before anything goes, so that who goes on after
 * a crash does what was decided then, unless the rules have changed or that was long ago; and each deletion counts only
 * for an artifact that is as it was.
 */
export const applyRetention = (ports: ApplyRetentionPorts): JobHandler<Parameters> => ({
  kind: 'RETENTION',
  parameters,
  // One repository of a project after the other.
  exclusive: true,
  run: (job, run) => {
    const { repository } = job.parameters;
    return repository === undefined ? launch(ports, job, run) : applyTo(ports, repository, job, run);
  },
});

const metadataOf = ({ executionId, vendorId }: Job<unknown>): Metadata => ({
  actor: 'system',
  correlationId: `execution/${executionId}`,
  reason: `retention policy ${vendorId}`,
});

/** @throws PermanentFailure where it is gone, or its project is */
async function policyOf(ports: ApplyRetentionPorts, job: Job<Parameters>): Promise<RetentionPolicy> {
  const policy = await ports.findPolicy(job.vendorId);
  if (policy !== undefined) return policy;
  await ports.removeSchedule(job.vendorId, metadataOf(job));
  throw new PermanentFailure(`the retention policy ${job.vendorId} is gone, or the project that it was for`);
}

async function launch(ports: ApplyRetentionPorts, job: Job<Parameters>, run: JobRun): Promise<JobResult> {
  await ports.shown();
  const { project, rules } = await policyOf(ports, job);
  const read = readRules(rules);
  const { dryRun } = job.parameters;
  let [seen, repositories] = [0, 0];
  for (let after: string | undefined = ''; after !== undefined && !run.stopping.aborted; ) {
    const names: readonly string[] = await ports.repositoriesOf(project, after, namesAtOnce);
    const covered = names.filter((name) => rulesHere(read, name).length > 0);
    await ports.addTasks(
      job.executionId,
      covered.map((repository) => ({ key: repository, parameters: { dryRun, repository } })),
      metadataOf(job),
    );
    seen += names.length;
    repositories += covered.length;
    run.progress({ stage: 'looking for repositories', done: seen });
    after = names.length < namesAtOnce ? undefined : names.at(-1);
  }
  run.log(`the rules count in ${repositories} of the ${seen} repositories of the project ${project}`);
  return { repositories };
}

async function applyTo(
  ports: ApplyRetentionPorts,
  repository: string,
  job: Job<Parameters>,
  run: JobRun,
): Promise<JobResult> {
  const { results } = ports;
  const { taskId } = job;
  const { dryRun } = job.parameters;
  const decideAnewIfNeeded = async () => {
    await ports.shown();
    const policy = await policyOf(ports, job);
    const task = { repository, policy, taskId, executionId: job.executionId, dryRun };
    return { policy, total: await decided(ports, task, run) };
  };
  let last = await decideAnewIfNeeded();
  while (!dryRun && !(await removeAll(ports, repository, job, run))) last = await decideAnewIfNeeded();

  const { policy, total } = last;
  const counts = { going: 0, removed: 0 };
  const deleted: AppliedRetention['deleted'] = [];
  for await (const { row } of rowsOf(results, taskId)) {
    if (!row.kept) counts.going += 1;
    if (row.outcome !== 'removed') continue;
    counts.removed += 1;
    if (deleted.length < maxToldArtifacts)
      deleted.push({ digest: row.digest, tags: row.tags.slice(0, maxToldTags) });
  }
  if (!dryRun && !run.stopping.aborted) {
    const { policyId, project, projectId, rules } = policy;
    const { executionId } = job;
    const which = { policyId, project, projectId, executionId, taskId, repository };
    const retained = total - counts.removed;
    const trigger = await ports.triggerOf(executionId);
    await ports.tellRun({ ...which, trigger, rules: [...rules], total, retained, deleted }, metadataOf(job));
  }
  const removed = dryRun ? counts.going : counts.removed;
  const removesEverything = total > 0 && counts.going === total;
  run.log(`${dryRun ? 'would remove' : 'removed'} ${removed} of ${total} artifacts`);
  return { total, retained: total - removed, removed, removesEverything };
}

/**
 * Removes what was decided to go and was not dealt with yet; what an index names, after the indexes. Resolves to false
 * where the decisions count no more, so that what is left has to be decided anew.
 */
async function removeAll(
  ports: ApplyRetentionPorts,
  repository: string,
  job: Job<Parameters>,
  run: JobRun,
): Promise<boolean> {
  const { results } = ports;
  const metadata = metadataOf(job);
  let done = 0;
  let counts = true;
  const since = (await results.basisOf(job.taskId))?.keptAt ?? new Date(0);
  let left = Number.POSITIVE_INFINITY;
  for (let before = Number.NaN; left > 0 && left !== before && !run.stopping.aborted; ) {
    before = left;
    left = await removeSome();
    if (!counts) return false;
  }
  if (run.stopping.aborted) return true;
  for await (const { place, row } of rowsOf(results, job.taskId)) {
    if (row.kept || row.outcome !== null) continue;
    await results.write(job.taskId, [{ place, row: { ...row, outcome: 'part-of-index' } }], since);
    run.log(`kept ${nameOf(row)}: ${reasons['part-of-index']}`, 'warn');
  }
  return true;

  /** Resolves to how many have to wait for an index to go. */
  async function removeSome(): Promise<number> {
    let waiting = 0;
    for await (const page of pagesOf(results, job.taskId)) {
      const going = page.filter(({ row }) => !row.kept && row.outcome === null);
      if (going.length === 0) continue;
      // Not one more when the project is gone, and another one may have its name.
      const policy = await policyOf(ports, job);
      const basis = await results.basisOf(job.taskId);
      // Whoever has taken the job from this one may have decided anew.
      counts = basis?.keptAt.getTime() === since.getTime() && stillCounts(basis, policy) === true;
      if (!counts) return waiting;
      await atOnce(deletedAtOnce, going, async ({ place, row }) => {
        if (run.stopping.aborted) return;
        const outcome = await removeOne(row);
        if (outcome === 'part-of-index') {
          waiting += 1;
          return;
        }
        await results.write(job.taskId, [{ place, row: { ...row, outcome } }], since);
        done += 1;
        if (outcome !== 'removed') run.log(`kept ${nameOf(row)}: ${reasons[outcome]}`, 'warn');
        run.progress({ stage: 'removing', done });
      });
      if (run.stopping.aborted) return waiting;
    }
    return waiting;
  }

  async function removeOne(row: RetentionRow): Promise<Outcome> {
    const { digest } = row;
    let isAsked = false;
    try {
      await ports.deleteArtifact({ repository, digest }, metadata, async () => {
        // Asked again when a push has kept it, be it the same that it was.
        if (isAsked) return false;
        isAsked = true;
        const found = await ports.findCandidate(repository, digest);
        return found !== undefined && isSameAs(row, found);
      });
      return 'removed';
    } catch (error) {
      const outcome = error instanceof Refusal ? outcomes[error.reason.kind] : undefined;
      if (outcome === undefined) throw error;
      return outcome;
    }
  }
}

const outcomes: { readonly [Kind in string]?: Outcome } = {
  'artifact-changed': 'changed',
  'manifest-referenced': 'part-of-index',
  'tag-immutable': 'immutable',
};

const reasons: Readonly<Record<Exclude<Outcome, 'removed'>, string>> = {
  changed: 'it was pushed, tagged or pulled meanwhile',
  immutable: 'one of its tags has become immutable',
  'part-of-index': 'an index that is there names it',
};
