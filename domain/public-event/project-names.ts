import type { RecordedEvent } from '../event.ts';

/** The numbers that projects have by their names, at the time of the event that is asked about. */
export interface ProjectNames {
  /** Undefined for a name that no project has. */
  idOf(project: string): number | undefined;
}

/** For whom the name of a project says enough. */
export const withoutIds: ProjectNames = { idOf: () => undefined };

/** The names as events make them; `observe` every event, in order, ahead of asking about it. */
export function followedNames(known: Iterable<readonly [name: string, projectId: number]> = []) {
  const ids = new Map(known);
  return {
    idOf: (project: string) => ids.get(project),
    observe({ type, data }: Pick<RecordedEvent, 'type' | 'data'>): void {
      if (type !== 'ProjectCreated' && type !== 'ProjectDeleted') return;
      const { name, projectId } = data as { readonly name: string; readonly projectId: number };
      if (type === 'ProjectCreated') ids.set(name, projectId);
      else if (ids.get(name) === projectId) ids.delete(name);
    },
  };
}
