import type { Decider } from '../decider.ts';
import { Refusal } from '../refusal.ts';
import type { ProjectEvent } from './events.ts';

export interface CreateProject {
  readonly name: string;
  readonly projectId: number;
  readonly public: boolean;
  readonly owner: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

export type ProjectCommand =
  | ({ readonly do: 'create' } & CreateProject)
  | {
      readonly do: 'change-metadata';
      readonly name: string;
      readonly projectId: number;
      /** Undefined for as it is. */
      readonly public: boolean | undefined;
      /** What is to be set, or with null removed; the rest stays. */
      readonly metadata: Readonly<Record<string, string | null>>;
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
}

/** The project that has the name now, or null. */
export const projectDecider: Decider<Project | null, ProjectCommand, ProjectEvent> = {
  initial: null,

  decide(project, command) {
    const { name, projectId } = command;
    if (command.do === 'create') {
      const { do: _, metadata = {}, ...data } = command;
      if (project !== null) throw new Refusal({ kind: 'project-exists', project: name });
      const created: ProjectEvent = { type: 'ProjectCreated', data };
      if (Object.keys(metadata).length === 0) return [created];
      return [
        created,
        { type: 'ProjectMetadataChanged', data: { name, projectId, public: data.public, metadata } },
      ];
    }
    // Also where another project has the name by now.
    if (project?.projectId !== projectId) throw new Refusal({ kind: 'project-unknown', project: name });
    if (command.do === 'delete') {
      if (command.holdsRepositories) throw new Refusal({ kind: 'project-not-empty', project: name });
      return [{ type: 'ProjectDeleted', data: { name, projectId } }];
    }
    const isPublic = command.public ?? project.public;
    const metadata = merged(project.metadata, command.metadata);
    if (isPublic === project.public && isSame(metadata, project.metadata)) return [];
    return [{ type: 'ProjectMetadataChanged', data: { name, projectId, public: isPublic, metadata } }];
  },

  evolve(project, event) {
    switch (event.type) {
      case 'ProjectCreated':
        return { projectId: event.data.projectId, public: event.data.public, metadata: {} };
      case 'ProjectMetadataChanged':
        return project && { ...project, public: event.data.public, metadata: event.data.metadata };
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
