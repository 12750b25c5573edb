import { z } from 'zod';
import { lockedOf } from '../commands/locked-tags.ts';
import { type Catalogue, upcast } from '../domain/catalogue.ts';
import type { RecordedEvent } from '../domain/event.ts';
import { immutabilityDecider } from '../domain/immutability/decider.ts';
import type { ImmutabilityEvent } from '../domain/immutability/events.ts';
import { locksOf } from '../domain/immutability/locks.ts';
import { projectOf } from '../domain/repository.ts';
import { type Removal, type RepositoryContentEvent, RepositoryReplay } from '../domain/retention/replay.ts';
import { removalRow } from '../domain/retention/row.ts';
import { retentionRule } from '../domain/retention/rules.ts';
import { type ReadRule, readRules, rulesHere } from '../domain/retention/select.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import type { JobResults } from '../infra/job-results/port.ts';
import { type JobHandler, PermanentFailure } from './job.ts';
import { selectCandidates } from './select-candidates.ts';

export interface ReplayRetentionPorts {
  readonly log: Pick<EventLog, 'readAll' | 'head'>;
  readonly catalogue: Catalogue;
  readonly results: JobResults;
}

const parameters = z.object({
  project: z.string(),
  rules: z.array(retentionRule),
  /** On so many days a run would have been, of which the last ends at `until`. */
  days: z.int().min(1).max(365),
  /** ISO 8601 in UTC. */
  until: z.iso.datetime(),
});
export type ReplayRetention = z.output<typeof parameters>;

/** As many manifests of one project are in memory at most; each takes some hundred bytes. */
const maxManifests = 500_000;
const dayMs = 24 * 60 * 60 * 1000;

const contentTypes: ReadonlySet<string> = new Set<RepositoryContentEvent['type']>([
  'ManifestPushed',
  'ManifestDeleted',
  'TagAssigned',
  'TagMoved',
  'TagRemoved',
  'ArtifactPulled',
]);

const ruleTypes: ReadonlySet<string> = new Set<ImmutabilityEvent['type']>([
  'ImmutableRuleCreated',
  'ImmutableRuleChanged',
  'ImmutableRuleDeleted',
]);
/** Of rules nothing is decided here, so that it does not matter which. */
const immutability = immutabilityDecider({ ruleId: 0, project: '', projectId: 0 });

/**
 * Says what rules would have removed from a project if they had run daily. The log is read once, from its beginning; what
 * is in memory is what the project holds. It changes nothing, so that after a crash it begins again.
 */
export const replayRetention = ({
  log,
  catalogue,
  results,
}: ReplayRetentionPorts): JobHandler<ReplayRetention> => ({
  kind: 'RETENTION_WHAT_IF',
  parameters,
  exclusive: true,

  async run({ taskId, parameters: { project, rules, days, until } }, run) {
    const end = Date.parse(until);
    const replay = projectReplay(readRules(rules), end, days);
    const head = await log.head();
    for await (const events of log.readAll(0n)) {
      for (const event of events) {
        if (event.recordedAt.getTime() <= end && isOf(event)) await replay.apply(upcast(catalogue, event));
      }
      if (run.stopping.aborted) return {};
      const position = events.at(-1)?.position ?? 0n;
      run.progress({ stage: 'reading the log', done: Number(position), total: Number(head) });
      if (position >= head) break;
    }
    const removals = await replay.finish();
    await results.replace(
      taskId,
      removals.map(([repository, removal]) => removalRow(repository, removal)),
    );
    const summary = summaryOf(removals.map(([, removal]) => removal));
    run.log(
      `in ${days} days the rules would have removed ${summary.removed} artifacts of ${project}, of which ${summary.pulledAfterwards} were pulled after that`,
    );
    return summary;

    function isOf({ type, data }: RecordedEvent): boolean {
      if (contentTypes.has(type))
        return projectOf((data as RepositoryContentEvent['data']).repository) === project;
      if (ruleTypes.has(type)) return (data as ImmutabilityEvent['data']).project === project;
      if (type !== 'ProjectCreated' && type !== 'ProjectDeleted') return false;
      return (data as { readonly name: string }).name === project;
    }
  },
});

/** All repositories of a project, with the runs that fall between what happened. */
function projectReplay(rules: readonly ReadRule[], end: number, days: number) {
  const repositories = new Map<string, RepositoryReplay>();
  const removals: (readonly [repository: string, removal: Removal])[] = [];
  let immutableRules = immutability.initial;
  let nextRun = end - (days - 1) * dayMs;
  let manifests = 0;

  async function runUntil(time: number): Promise<void> {
    for (; nextRun <= Math.min(time, end); nextRun += dayMs)
      for (const [name, repository] of repositories) {
        const here = rulesHere(rules, name);
        if (here.length === 0) continue;
        const locks = locksOf(name, [...immutableRules.values()]);
        const locked = await lockedOf(locks, repository.tags, 'delete');
        const candidates = repository.candidates((tag) => locked.has(tag));
        const selecting = await selectCandidates(here, candidates);
        for (const removal of repository.run(selecting, new Date(nextRun), candidates))
          removals.push([name, removal]);
      }
  }

  return {
    async apply(event: RecordedEvent): Promise<void> {
      await runUntil(event.recordedAt.getTime() - 1);
      // Another project of the name, or none.
      if (event.type === 'ProjectCreated' || event.type === 'ProjectDeleted') {
        repositories.clear();
        immutableRules = immutability.initial;
        removals.length = 0;
        manifests = 0;
        return;
      }
      if (ruleTypes.has(event.type)) {
        immutableRules = immutability.evolve(immutableRules, event as RecordedEvent<ImmutabilityEvent>);
        return;
      }
      const content = event as RecordedEvent<RepositoryContentEvent>;
      const { repository: name } = content.data;
      const repository = repositories.get(name) ?? new RepositoryReplay();
      repositories.set(name, repository);
      manifests -= repository.size;
      repository.apply(content);
      manifests += repository.size;
      if (manifests > maxManifests)
        throw new PermanentFailure(
          `the project has had more than ${maxManifests} manifests at once, which is more than can be replayed`,
        );
    },

    async finish() {
      await runUntil(end);
      return removals;
    },
  };
}

const summaryOf = (removals: readonly Removal[]) => ({
  removed: removals.length,
  bytes: removals.reduce((sum, { size }) => sum + size, 0),
  pulledAfterwards: removals.filter(({ pulls }) => pulls > 0).length,
});
