import type { Decider } from '../decider.ts';
import type { JobKind } from '../execution/kinds.ts';
import type { QueueEvent } from './events.ts';

/** Whether the queue is paused. */
export const queueDecider: Decider<
  boolean,
  { readonly do: 'pause' | 'resume'; readonly kind: JobKind },
  QueueEvent
> = {
  initial: false,

  decide(isPaused, { do: deed, kind }) {
    if (isPaused === (deed === 'pause')) return [];
    return [{ type: deed === 'pause' ? 'QueuePaused' : 'QueueResumed', data: { kind } }];
  },

  evolve: (_, { type }) => type === 'QueuePaused',
};
