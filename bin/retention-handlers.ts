import { randomUUID } from 'node:crypto';
import { addTasks } from '../commands/add-tasks.ts';
import { deleteArtifact } from '../commands/delete-artifact.ts';
import { historyOf } from '../commands/record.ts';
import { removeSchedule } from '../commands/remove-schedule.ts';
import type { ExecutionPorts } from '../commands/start-execution.ts';
import { tellRetentionRun } from '../commands/tell-retention-run.ts';
import type { ManifestAt } from '../domain/artifact/decider.ts';
import { type ArtifactEvent, artifactStream } from '../domain/artifact/events.ts';
import { catalogue } from '../domain/catalogue.ts';
import type { Digest } from '../domain/digest.ts';
import type { BlobStore } from '../infra/blob-store/port.ts';
import type { Database } from '../infra/database/connect.ts';
import { viewOf } from '../infra/database/projection.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import type { JobResults } from '../infra/job-results/port.ts';
import type { Views } from '../infra/views/port.ts';
import { type ArtifactsDatabase, artifacts } from '../projections/artifacts/projection.ts';
import { listChildren } from '../projections/artifacts/queries.ts';
import { type ExecutionsDatabase, executions } from '../projections/executions/projection.ts';
import { execution } from '../projections/executions/queries.ts';
import { pulls } from '../projections/pulls/projection.ts';
import { accessoriesOf } from '../projections/repositories/accessories.ts';
import {
  findCandidate,
  listCandidates,
  listRepositoryNames,
} from '../projections/repositories/candidates.ts';
import { type RepositoriesDatabase, repositories } from '../projections/repositories/projection.ts';
import { type RetentionDatabase, retention } from '../projections/retention/projection.ts';
import { findRetentionPolicy } from '../projections/retention/queries.ts';
import { type ApplyRetentionPorts, applyRetention } from '../workers/apply-retention.ts';
import type { AnyJobHandler } from '../workers/job.ts';
import { replayRetention } from '../workers/replay-retention.ts';
import { contentsOf, currentIn } from './contents.ts';

export interface RetentionEngines {
  readonly log: EventLog;
  readonly ports: ExecutionPorts;
  readonly store: BlobStore;
  readonly database: Pick<Database, 'kysely'>;
  readonly views: Views;
  readonly results: JobResults;
}

/** Who runs retention policies, and who replays their rules. */
export const retentionHandlers = (engines: RetentionEngines): readonly AnyJobHandler[] => [
  applyRetention(applyRetentionPorts(engines)),
  replayRetention({ log: engines.log, catalogue, results: engines.results }),
];

/** What a run of a policy asks for. */
export function applyRetentionPorts({
  log,
  ports,
  store,
  database,
  views,
  results,
}: RetentionEngines): ApplyRetentionPorts {
  const { kysely } = database;
  const current = currentIn(views);
  const contents = contentsOf({ database, views });
  const inArtifacts = viewOf<ArtifactsDatabase>(kysely, artifacts);
  const inExecutions = viewOf<ExecutionsDatabase>(kysely, executions);
  const inRepositories = viewOf<RepositoriesDatabase>(kysely, repositories);
  const inRetention = viewOf<RetentionDatabase>(kysely, retention);
  const find = current(findCandidate.bind(undefined, inRepositories));
  const findExecution = current(execution.bind(undefined, inExecutions));
  const removingSchedule = removeSchedule(ports);
  return {
    findPolicy: current(findRetentionPolicy.bind(undefined, inRetention)),
    startedAt: async (executionId) => (await findExecution(executionId))?.startedAt,
    repositoriesOf: current(listRepositoryNames.bind(undefined, inRepositories)),
    candidatesIn: current(listCandidates.bind(undefined, inRepositories)),
    async findCandidate(repository, digest) {
      await views.reached(await log.head(), [pulls, repositories]);
      return find(repository, digest);
    },
    tagLocks: contents.tagLocks,
    async shown() {
      await views.reached(await log.head(), [executions, pulls, repositories, retention]);
    },
    addTasks: addTasks(ports),
    deleteArtifact: deleteArtifact({
      ...{ record: ports.record, store, contents, newCondemnation: randomUUID },
      accessoriesOf: current(accessoriesOf.bind(undefined, inRepositories)),
      childrenOf: formerChildrenOf(log, current(listChildren.bind(undefined, inArtifacts))),
    }),
    triggerOf: async (executionId) => (await findExecution(executionId))?.trigger ?? 'EVENT',
    tellRun: tellRetentionRun(ports),
    removeSchedule: (policyId, metadata) => removingSchedule('RETENTION', policyId, metadata),
    results,
  };
}

/** Also of an index that is gone: who was killed after its deletion goes on with its parts. */
const formerChildrenOf =
  (log: EventLog, childrenOf: (at: ManifestAt) => Promise<readonly Digest[]>) =>
  async (at: ManifestAt): Promise<readonly Digest[]> => {
    const children = await childrenOf(at);
    if (children.length > 0) return children;
    const stream = artifactStream(at.repository, at.digest);
    const last = (await historyOf<ArtifactEvent>(log, catalogue, stream)).at(-1);
    return last?.type === 'ManifestDeleted' ? last.data.manifests : [];
  };
