import { isSameAllowlist } from '../cve-allowlist/decider.ts';
import type { CveAllowlist } from '../cve-allowlist/events.ts';
import type { Decider } from '../decider.ts';
import { Refusal } from '../refusal.ts';
import type { ProjectEvent } from './events.ts';

export interface CreateProject {
  readonly name: string;
  readonly projectId: number;
  readonly public: boolean;
  readonly owner: string;
  readonly storageLimit: number | null;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** What stays as it is, is undefined. */
export interface ProjectChange {
  readonly public?: boolean | undefined;
  /** What is to be set, or with null removed; the rest stays. */
  readonly metadata?: Readonly<Record<string, string | null>> | undefined;
  readonly cveAllowlist?: CveAllowlist | undefined;
}

export type ProjectCommand =
  | ({ readonly do: 'create' } & CreateProject)
  | ({ readonly do: 'change'; readonly name: string; readonly projectId: number } & ProjectChange)
  | {
      /** As a change of this one setting, where it is not there yet. */
      readonly do: 'add-metadata';
      readonly name: string;
      readonly projectId: number;
      readonly key: string;
      readonly value: string;
    }
  | {
      readonly do: 'delete';
      readonly name: string;
      readonly projectId: number;
      /** Whether it has repositories; a fact, read before deciding. */
      readonly holdsRepositories: boolean;
    };

export interface Project {
  readonly projectId: number;
  readonly public: boolean;
  readonly metadata: Readonly<Record<string, string>>;
  readonly cveAllowlist: CveAllowlist;
}

/** The project that has the name now, or null. */
export const projectDecider: Decider<Project | null, ProjectCommand, ProjectEvent> = {
  initial: null,

  decide(project, command) {
    if (command.do === 'create') return createdBy(project, command);
    const { name, projectId } = command;
    // Also where another project has the name by now.
    if (project?.projectId !== projectId) throw new Refusal({ kind: 'project-unknown', project: name });
    switch (command.do) {
      case 'delete':
        if (command.holdsRepositories) throw new Refusal({ kind: 'project-not-empty', project: name });
        return [{ type: 'ProjectDeleted', data: { name, projectId } }];
      case 'add-metadata': {
        const { key, value } = command;
        if (Object.hasOwn(project.metadata, key))
          throw new Refusal({ kind: 'metadata-exists', project: name, key });
        return changedBy(project, name, { metadata: { [key]: value } });
      }
      case 'change':
        return changedBy(project, name, command);
    }
  },

  evolve(project, event) {
    switch (event.type) {
      case 'ProjectCreated': {
        const { projectId, public: isPublic } = event.data;
        return {
          projectId,
          public: isPublic,
          metadata: {},
          cveAllowlist: { cveIds: [], expiresAt: null },
        };
      }
      case 'ProjectMetadataChanged':
        return project && { ...project, public: event.data.public, metadata: event.data.metadata };
      case 'ProjectCveAllowlistChanged': {
        const { cveIds, expiresAt } = event.data;
        return project && { ...project, cveAllowlist: { cveIds, expiresAt } };
      }
      case 'ProjectDeleted':
        return null;
    }
  },
};

/** What is about to happen in a project has to happen in that one, and not in a later one of its name. */
export const requiringProject: Decider<
  Project | null,
  { readonly name: string; readonly projectId: number },
  ProjectEvent
> = {
  ...projectDecider,
  decide(project, { name, projectId }) {
    if (project?.projectId !== projectId) throw new Refusal({ kind: 'project-unknown', project: name });
    return [];
  },
};

function createdBy(
  project: Project | null,
  { do: _, metadata = {}, ...data }: { readonly do: 'create' } & CreateProject,
): ProjectEvent[] {
  const { name, projectId } = data;
  if (project !== null) throw new Refusal({ kind: 'project-exists', project: name });
  const created: ProjectEvent = { type: 'ProjectCreated', data };
  if (Object.keys(metadata).length === 0) return [created];
  return [
    created,
    { type: 'ProjectMetadataChanged', data: { name, projectId, public: data.public, metadata } },
  ];
}

function changedBy(project: Project, name: string, change: ProjectChange): ProjectEvent[] {
  const { projectId } = project;
  const { cveAllowlist = project.cveAllowlist } = change;
  const isPublic = change.public ?? project.public;
  const metadata = merged(project.metadata, change.metadata ?? {});
  const hasChanged = isPublic !== project.public || !isSame(metadata, project.metadata);
  const events: ProjectEvent[] = [];
  if (hasChanged)
    events.push({ type: 'ProjectMetadataChanged', data: { name, projectId, public: isPublic, metadata } });
  if (!isSameAllowlist(cveAllowlist, project.cveAllowlist)) {
    const { cveIds, expiresAt } = cveAllowlist;
    events.push({
      type: 'ProjectCveAllowlistChanged',
      data: { name, projectId, cveIds: [...cveIds], expiresAt },
    });
  }
  return events;
}

/** In the order of the keys, so that the same settings are written the same way. */
function merged(
  before: Readonly<Record<string, string>>,
  changes: Readonly<Record<string, string | null>>,
): Record<string, string> {
  const entries = Object.entries({ ...before, ...changes })
    .filter((entry): entry is [string, string] => entry[1] !== null)
    .toSorted(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries);
}

const isSame = (one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean => {
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && one[key] === other[key])
  );
};
