import type { Decider } from '../decider.ts';
import type { RepositoryEvent } from './events.ts';

export interface RepositoryAt {
  readonly repository: string;
  /** Which one of the name. */
  readonly repositoryId: number;
}
export interface DescribeRepository extends RepositoryAt {
  readonly description: string;
}

/** What the stream tells of the repository that it told of last; a push is in streams of its own. */
type Repository = null | { readonly repositoryId: number; readonly description: string };
type RepositoryDecider<Command> = Decider<Repository, Command, RepositoryEvent>;

const repository: Pick<RepositoryDecider<never>, 'initial' | 'evolve'> = {
  initial: null,
  evolve(_, event) {
    if (event.type === 'RepositoryDeleted') return null;
    const { repositoryId, description } = event.data;
    return { repositoryId, description };
  },
};

export const describing: RepositoryDecider<DescribeRepository> = {
  ...repository,
  decide(before, data) {
    const current = before?.repositoryId === data.repositoryId ? before.description : '';
    return current === data.description ? [] : [{ type: 'RepositoryDescribed', data }];
  },
};

/** Recorded each time: whether the repository is there, only its manifests tell. */
export const deletingRepository: RepositoryDecider<RepositoryAt> = {
  ...repository,
  decide: (_, data) => [{ type: 'RepositoryDeleted', data }],
};
