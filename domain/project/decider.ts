import type { Decider } from '../decider.ts';
import { Refusal } from '../refusal.ts';
import type { ProjectEvent } from './events.ts';

export interface CreateProject {
  readonly name: string;
  readonly projectId: number;
  readonly public: boolean;
  readonly owner: string;
}

/** Whether the project exists. */
export const projectDecider: Decider<boolean, CreateProject, ProjectEvent> = {
  initial: false,

  decide(exists, command) {
    if (exists) throw new Refusal({ kind: 'project-exists', project: command.name });
    return [{ type: 'ProjectCreated', data: command }];
  },

  evolve: () => true,
};
