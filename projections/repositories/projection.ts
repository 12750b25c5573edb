import type { ArtifactEvent } from '../../domain/artifact/events.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import type { ProjectEvent } from '../../domain/project/events.ts';
import type { RepositoryEvent } from '../../domain/repository/events.ts';
import type { TagEvent } from '../../domain/tag/events.ts';
import type { Projection, ViewTables } from '../../infra/database/projection.ts';
import { type ContentEvent, changesBy } from './changes.ts';
import {
  addArtifacts,
  changeStates,
  closeRepositories,
  emptyProjects,
  openRepositories,
  removeArtifacts,
  touchRepositories,
} from './statements.ts';
import { createTables } from './tables.ts';

export type { RepositoriesDatabase } from './tables.ts';

type Deletion = Extract<RepositoryEvent, { type: 'RepositoryDeleted' }>;
type OfProject = Exclude<ProjectEvent, { type: 'ProjectCveAllowlistChanged' }>;
type Event = ArtifactEvent | TagEvent | RepositoryEvent | OfProject;

/**
 * The repositories and what they hold, as the management API lists it. A repository exists from its first manifest on,
 * also when it holds none any more, until it is deleted or goes with its project. A push may be recorded after its
 * project is gone, so that a project begins without any too.
 */
export const repositories: Projection<Event> = {
  name: 'repositories',
  version: 4,
  showsUserNames: true,
  handles: [
    'ManifestPushed',
    'ManifestDeleted',
    'TagAssigned',
    'TagMoved',
    'TagRemoved',
    'RepositoryDescribed',
    'RepositoryDeleted',
    'ProjectCreated',
    'ProjectMetadataChanged',
    'ProjectDeleted',
  ],

  create: createTables,

  async apply(tables, events) {
    for (const { kind, run } of runsOf(events)) await apply[kind](tables, run as never);
  },
};

const apply = {
  contents: applyContents,
  deletions: (tables: ViewTables, run: readonly RecordedEvent<Deletion>[]) =>
    closeRepositories(
      tables,
      run.map(({ data: { repository, repositoryId } }) => ({ name: repository, id: repositoryId })),
    ),
  projects: applyProjects,
} as const;

/** Events in a row that can be applied together: what takes whole repositories has all before it behind it. */
function runsOf(events: readonly RecordedEvent<Event>[]) {
  const runs: { readonly kind: keyof typeof apply; readonly run: RecordedEvent<Event>[] }[] = [];
  for (const event of events) {
    const kind = event.type.startsWith('Project')
      ? 'projects'
      : event.type === 'RepositoryDeleted'
        ? 'deletions'
        : 'contents';
    const last = runs.at(-1);
    if (last?.kind === kind) last.run.push(event);
    else runs.push({ kind, run: [event] });
  }
  return runs;
}

async function applyContents(
  tables: ViewTables,
  events: readonly RecordedEvent<ContentEvent>[],
): Promise<void> {
  const changes = changesBy(events);
  const { manifests } = changes;
  const gone = manifests.filter(({ removed }) => removed);
  await openRepositories(tables, changes.repositories);
  await tables.update('repositories', ['name', 'id'], changes.described);
  await removeArtifacts(tables, gone.map(placeOf));
  await tables.remove(
    'listed_children',
    ['repository', 'parent'],
    gone.map(({ repository, digest }) => ({ repository, parent: digest })),
  );
  await tables.write(
    'listed_children',
    ['repository', 'parent', 'place'],
    manifests.flatMap(({ children }) => children),
  );
  await tables.applyChanges('signatures', ['repository', 'digest'], changes.signatures);
  await changeStates(tables, changes.tags, changes.affected);
  await addArtifacts(
    tables,
    manifests.flatMap(({ row }) => row ?? []),
  );
  await touchRepositories(tables, changes.touched);
}

const placeOf = ({ repository, digest }: { readonly repository: string; readonly digest: string }) => ({
  repository,
  digest,
});

async function applyProjects(tables: ViewTables, events: readonly RecordedEvent<OfProject>[]): Promise<void> {
  /** What the last events of each name leave: null for nothing. */
  const rows = new Map<string, { readonly public: boolean; readonly project_id: number } | null>();
  const updates = new Map<string, object>();
  for (const { type, data } of events) {
    const { name, projectId: project_id } = data;
    if (type === 'ProjectDeleted') rows.set(name, null);
    else if (type === 'ProjectCreated' || rows.has(name)) rows.set(name, { project_id, public: data.public });
    else updates.set(name, { name, project_id, public: data.public });
  }
  await tables.update('project_totals', ['name', 'project_id'], [...updates.values()]);
  await emptyProjects(tables, [...rows.keys()]);
  await tables.applyChanges(
    'project_totals',
    ['name'],
    [...rows].map(([name, row]) =>
      row === null ? { row: { name }, removed: true } : { row: { name, ...row, repository_count: 0 } },
    ),
  );
}
