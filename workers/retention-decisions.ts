import { setTimeout as sleep } from 'node:timers/promises';
import { lockedOf } from '../commands/locked-tags.ts';
import type { TagLocks } from '../domain/immutability/locks.ts';
import { type Candidate, evaluate } from '../domain/retention/evaluate.ts';
import { type RetentionRow, rowOf } from '../domain/retention/row.ts';
import { type ReadRule, readRules, rulesHere } from '../domain/retention/select.ts';
import type { Basis, JobResults, ResultRow } from '../infra/job-results/port.ts';
import type { CandidatePlace, ListedCandidate } from '../projections/repositories/candidates.ts';
import type { RetentionPolicy } from '../projections/retention/queries.ts';
import type { JobRun } from './job.ts';
import { selectCandidates } from './select-candidates.ts';

export interface DecisionPorts {
  /** When the execution was asked for. */
  startedAt(executionId: number): Promise<Date | undefined>;
  candidatesIn(
    repository: string,
    after: CandidatePlace | undefined,
    limit: number,
  ): Promise<readonly ListedCandidate[]>;
  /** What the rules of the project keep the tags of the repository from. */
  tagLocks(repository: string): Promise<TagLocks>;
  readonly results: JobResults;
}

/** What is decided about, and by what. */
export interface DecidedTask {
  readonly repository: string;
  readonly policy: RetentionPolicy;
  readonly executionId: number;
  readonly taskId: number;
  readonly dryRun: boolean;
}

const candidatesAtOnce = 1000;
const rowsAtOnce = 200;
/** What was decided counts so long: what stays because of it may be gone by then. */
const maxAgeMs = 60 * 60 * 1000;
/** So many decisions are in the log, which has to have room for what becomes of them; all are among the results. */
const maxLines = 15_000;
/** Lines that are said in one go, and the pause after them, so that the log takes them all. */
const linesAtOnce = 1000;
const pauseMs = 600;

const basisBy = ({ rules }: RetentionPolicy): string => JSON.stringify(rules);

/** True, or why what was decided on this basis counts no more. */
export function stillCounts(decided: Basis | undefined, policy: RetentionPolicy): true | string {
  if (decided === undefined) return 'nothing is decided';
  if (decided.basis !== basisBy(policy)) return 'the rules are others than when it was decided';
  if (Date.now() - decided.keptAt.getTime() > maxAgeMs) return 'it was decided too long ago';
  return true;
}

/**
 * Sees to it that about every artifact of the repository it is decided by the rules that are, and not long ago; what was
 * removed by earlier decisions stays among them. Resolves to how many there are.
 */
export async function decided(ports: DecisionPorts, task: DecidedTask, run: JobRun): Promise<number> {
  const { results } = ports;
  const { taskId, policy } = task;
  const [total, basis] = await Promise.all([results.count(taskId), results.basisOf(taskId)]);
  if (total === undefined || basis === undefined) return decide(ports, task, run);
  const counts = stillCounts(basis, policy);
  if (counts === true) return total;
  run.log(`what is left is decided anew: ${counts} (${basis.keptAt.toISOString()})`, 'warn');
  return decide(ports, task, run);
}

async function decide(ports: DecisionPorts, task: DecidedTask, run: JobRun): Promise<number> {
  const { repository, policy, executionId, taskId, dryRun } = task;
  const here = rulesHere(readRules(policy.rules), repository);
  const candidates = await candidatesOf(ports, repository, run);
  const selecting = await selectCandidates(here, candidates);
  const gone = dryRun ? [] : await goneBefore(ports.results, taskId, candidates);
  // By the time at which it was asked for, however long it has waited.
  const now = (await ports.startedAt(executionId)) ?? new Date();
  run.log(describe(repository, here, dryRun, now));
  const counts = { all: 0, kept: 0 };
  const said: string[] = [];
  const total = await ports.results.replace(taskId, rows(), basisBy(policy));
  // Not before: what is kept is kept in one transaction, which waits for no log.
  if (counts.all > 0 && counts.kept === 0)
    run.log(`no rule keeps anything of ${repository}: ALL of its ${counts.all} artifacts go`, 'warn');
  await say(said, counts.all, run);
  return total;

  function* rows(): Generator<RetentionRow> {
    yield* gone;
    for (const verdict of evaluate(selecting, candidates, now)) {
      const row = rowOf(verdict);
      counts.all += 1;
      if (row.kept) counts.kept += 1;
      if (counts.all <= maxLines) said.push(lineOf(row));
      if (counts.all % linesAtOnce === 0)
        run.progress({ stage: 'deciding', done: counts.all, total: candidates.length });
      yield row;
    }
  }
}

/** What was decided to go, and is gone: whoever was killed before the note of that has removed it. */
async function goneBefore(
  results: JobResults,
  taskId: number,
  candidates: readonly Candidate[],
): Promise<readonly RetentionRow[]> {
  const there = new Set(candidates.map(({ digest }) => digest));
  const gone: RetentionRow[] = [];
  for await (const { row } of rowsOf(results, taskId))
    if (row.outcome === 'removed' || (!row.kept && row.outcome === null && !there.has(row.digest)))
      gone.push({ ...row, outcome: 'removed' });
  return gone;
}

async function candidatesOf(
  ports: DecisionPorts,
  repository: string,
  run: JobRun,
): Promise<readonly (Candidate & { readonly size: number })[]> {
  const locks = await ports.tagLocks(repository);
  const candidates: (Candidate & { readonly size: number })[] = [];
  for (let after: CandidatePlace | undefined, more = true; more; ) {
    const page: readonly ListedCandidate[] = await ports.candidatesIn(repository, after, candidatesAtOnce);
    const all = page.flatMap(({ tags, accessoryTags }) => [...tags, ...accessoryTags]);
    const locked = await lockedOf(locks, all, 'delete');
    const isLocked = (tag: string) => locked.has(tag);
    for (const { place: _, accessoryTags, ...listed } of page)
      candidates.push({ ...listed, immutable: [...listed.tags, ...accessoryTags].some(isLocked) });
    run.progress({ stage: 'reading the artifacts', done: candidates.length });
    after = page.at(-1)?.place;
    more = page.length === candidatesAtOnce;
    // Of a part nothing can be decided.
    if (more) run.stopping.throwIfAborted();
  }
  return candidates;
}

async function say(lines: readonly string[], all: number, run: JobRun): Promise<void> {
  for (const [place, line] of lines.entries()) {
    if (run.stopping.aborted) return;
    run.log(line);
    if ((place + 1) % linesAtOnce === 0)
      await sleep(pauseMs, undefined, { signal: run.stopping }).catch(() => undefined);
  }
  if (all > lines.length) run.log(`and ${all - lines.length} more, which are among the results`);
}

export async function* pagesOf(
  results: JobResults,
  taskId: number,
): AsyncGenerator<readonly ResultRow<RetentionRow>[]> {
  for (let after: number | undefined = 0; after !== undefined; ) {
    const page: readonly ResultRow<RetentionRow>[] = await results.read(taskId, after, rowsAtOnce);
    yield page;
    after = page.length < rowsAtOnce ? undefined : page.at(-1)?.place;
  }
}

export async function* rowsOf(results: JobResults, taskId: number): AsyncGenerator<ResultRow<RetentionRow>> {
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

export const nameOf = ({ digest, tags }: RetentionRow): string =>
  `${digest} ${tags.length === 0 ? '(no tag)' : tags.join(', ')}`;

function lineOf(row: RetentionRow): string {
  const mark = row.kept ? (row.cause === 'immutable' ? 'IMM   ' : 'RETAIN') : 'DEL   ';
  return `${mark} ${nameOf(row)}: ${row.why}`;
}
