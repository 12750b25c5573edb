import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { addTasks } from '../commands/add-tasks.ts';
import { atOnce } from '../commands/at-once.ts';
import type { deleteArtifact } from '../commands/delete-artifact.ts';
import { lockedOf } from '../commands/locked-tags.ts';
import type { Digest } from '../domain/digest.ts';
import type { Metadata } from '../domain/event.ts';
import type { TagLocks } from '../domain/immutability/locks.ts';
import { Refusal } from '../domain/refusal.ts';
import { type Candidate, evaluate } from '../domain/retention/evaluate.ts';
import { isSameAs, type Outcome, type RetentionRow, rowOf } from '../domain/retention/row.ts';
import { type ReadRule, readRules, rulesHere } from '../domain/retention/select.ts';
import type { JobResults, ResultRow } from '../infra/job-results/port.ts';
import type { CandidatePlace, ListedCandidate } from '../projections/repositories/candidates.ts';
import type { RetentionPolicy } from '../projections/retention/queries.ts';
import { type Job, type JobHandler, type JobResult, type JobRun, PermanentFailure } from './job.ts';
import { selectCandidates } from './select-candidates.ts';

export interface ApplyRetentionPorts {
  findPolicy(policyId: number): Promise<RetentionPolicy | undefined>;
  /** When the execution was asked for. */
  startedAt(executionId: number): Promise<Date | undefined>;
  repositoriesOf(project: string, after: string, limit: number): Promise<readonly string[]>;
  candidatesIn(
    repository: string,
    after: CandidatePlace | undefined,
    limit: number,
  ): Promise<readonly ListedCandidate[]>;
  findCandidate(repository: string, digest: Digest): Promise<ListedCandidate | undefined>;
  /** What the rules of the project keep the tags of the repository from. */
  tagLocks(repository: string): Promise<TagLocks>;
  /** Resolves when all of these show what is recorded by now. */
  shown(): Promise<void>;
  readonly addTasks: ReturnType<typeof addTasks>;
  readonly deleteArtifact: ReturnType<typeof deleteArtifact>;
  /** Takes away the schedule of a policy that is gone. */
  removeSchedule(policyId: number, metadata: Metadata): Promise<unknown>;
  readonly results: JobResults;
}

const parameters = z.object({
  dryRun: z.boolean(),
  /** The full name; without it, the task adds one task for each repository. */
  repository: z.string().optional(),
});
type Parameters = z.output<typeof parameters>;

const namesAtOnce = 500;
const candidatesAtOnce = 1000;
const rowsAtOnce = 200;
const deletedAtOnce = 4;
/** Lines that are said in one go, and the pause after them, so that the log takes them all. */
const linesAtOnce = 1000;
const pauseMs = 600;
/** How long what was found can be read, in days. */
const keepDays = 90;

/**
 * Runs a retention policy. What is decided about a repository is kept before anything goes, so that who goes on after
 * a crash does what was decided then, and each deletion counts only for an artifact that is as it was.
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
  await ports.results.sweep(new Date(Date.now() - keepDays * 24 * 60 * 60 * 1000), 1000);
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
  const total = (await results.count(taskId)) ?? (await decide(ports, repository, job, run));
  if (!dryRun) await removeAll(ports, repository, job, run);

  const counts = { going: 0, removed: 0 };
  for await (const { row } of rowsOf(results, taskId)) {
    if (!row.kept) counts.going += 1;
    if (row.outcome === 'removed') counts.removed += 1;
  }
  const removed = dryRun ? counts.going : counts.removed;
  const removesEverything = total > 0 && counts.going === total;
  run.log(`${dryRun ? 'would remove' : 'removed'} ${removed} of ${total} artifacts`);
  return { total, retained: total - removed, removed, removesEverything };
}

/** Decides about every artifact of the repository, and keeps that. Resolves to how many there are. */
async function decide(
  ports: ApplyRetentionPorts,
  repository: string,
  job: Job<Parameters>,
  run: JobRun,
): Promise<number> {
  await ports.shown();
  const { rules } = await policyOf(ports, job);
  const here = rulesHere(readRules(rules), repository);
  const candidates = await candidatesOf(ports, repository, run);
  // By the time at which it was asked for, however long it has waited.
  const now = (await ports.startedAt(job.executionId)) ?? new Date();
  run.log(describe(repository, here, job.parameters.dryRun, now));
  const verdicts = evaluate(await selectCandidates(here, candidates), candidates, now);
  const counts = { total: 0, kept: 0 };
  const total = await ports.results.replace(job.taskId, rowsFor());
  if (total > 0 && counts.kept === 0)
    run.log(`no rule keeps anything of ${repository}: ALL of its ${total} artifacts go`, 'warn');
  return total;

  async function* rowsFor(): AsyncGenerator<RetentionRow> {
    for (const verdict of verdicts) {
      counts.total += 1;
      if (verdict.kept) counts.kept += 1;
      const row = rowOf(verdict);
      run.log(lineOf(row));
      if (counts.total % linesAtOnce === 0) {
        run.progress({ stage: 'deciding', done: counts.total, total: candidates.length });
        await sleep(pauseMs);
      }
      yield row;
    }
  }
}

async function candidatesOf(
  ports: ApplyRetentionPorts,
  repository: string,
  run: JobRun,
): Promise<readonly (Candidate & { readonly size: number })[]> {
  const locks = await ports.tagLocks(repository);
  const candidates: (Candidate & { readonly size: number })[] = [];
  for (let after: CandidatePlace | undefined, more = true; more; ) {
    const page: readonly ListedCandidate[] = await ports.candidatesIn(repository, after, candidatesAtOnce);
    const tags = page.flatMap((listed) => [...listed.tags, ...listed.accessoryTags]);
    const locked = await lockedOf(locks, tags, 'delete');
    for (const { place: _, accessoryTags, ...listed } of page)
      candidates.push({
        ...listed,
        immutable: [...listed.tags, ...accessoryTags].some((tag) => locked.has(tag)),
      });
    run.progress({ stage: 'reading the artifacts', done: candidates.length });
    after = page.at(-1)?.place;
    more = page.length === candidatesAtOnce;
  }
  return candidates;
}

/** Removes what was decided to go and was not dealt with yet; what an index names, after the indexes. */
async function removeAll(
  ports: ApplyRetentionPorts,
  repository: string,
  job: Job<Parameters>,
  run: JobRun,
): Promise<void> {
  const { results } = ports;
  const metadata = metadataOf(job);
  let done = 0;
  let left = Number.POSITIVE_INFINITY;
  for (let before = Number.NaN; left > 0 && left !== before && !run.stopping.aborted; ) {
    before = left;
    left = await removeSome();
  }
  if (run.stopping.aborted) return;
  for await (const { place, row } of rowsOf(results, job.taskId)) {
    if (row.kept || row.outcome !== null) continue;
    await results.write(job.taskId, [{ place, row: { ...row, outcome: 'part-of-index' } }]);
    run.log(`kept ${nameOf(row)}: ${reasons['part-of-index']}`, 'warn');
  }

  /** Resolves to how many have to wait for an index to go. */
  async function removeSome(): Promise<number> {
    let waiting = 0;
    for await (const page of pagesOf(results, job.taskId)) {
      const going = page.filter(({ row }) => !row.kept && row.outcome === null);
      if (going.length === 0) continue;
      // Not one more when the project is gone, and another one may have its name.
      await policyOf(ports, job);
      await atOnce(deletedAtOnce, going, async ({ place, row }) => {
        if (run.stopping.aborted) return;
        const outcome = await removeOne(row);
        if (outcome === 'part-of-index') {
          waiting += 1;
          return;
        }
        await results.write(job.taskId, [{ place, row: { ...row, outcome } }]);
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

async function* pagesOf(
  results: JobResults,
  taskId: number,
): AsyncGenerator<readonly ResultRow<RetentionRow>[]> {
  for (let after: number | undefined = 0; after !== undefined; ) {
    const page: readonly ResultRow<RetentionRow>[] = await results.read(taskId, after, rowsAtOnce);
    yield page;
    after = page.length < rowsAtOnce ? undefined : page.at(-1)?.place;
  }
}

async function* rowsOf(results: JobResults, taskId: number): AsyncGenerator<ResultRow<RetentionRow>> {
  for await (const page of pagesOf(results, taskId)) yield* page;
}

const describe = (repository: string, rules: readonly ReadRule[], dryRun: boolean, now: Date): string =>
  [
    `${dryRun ? 'dry run' : 'run'} for ${repository} as of ${now.toISOString()}`,
    ...rules.map(
      ({ rule, template, value, takesUntagged }) =>
        `rule ${rule}: ${template}${value === null ? '' : ` ${value}`}${takesUntagged ? ', also of artifacts without a tag' : ''}`,
    ),
  ].join('\n');

const nameOf = ({ digest, tags }: RetentionRow): string =>
  `${digest} ${tags.length === 0 ? '(no tag)' : tags.join(', ')}`;

function lineOf(row: RetentionRow): string {
  const mark = row.kept ? (row.cause === 'immutable' ? 'IMM   ' : 'RETAIN') : 'DEL   ';
  return `${mark} ${nameOf(row)}: ${row.why}`;
}
