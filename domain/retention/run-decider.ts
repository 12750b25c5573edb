import type { Decider } from '../decider.ts';
import type { AppliedRetention, RetentionRunEvent } from './run-events.ts';

/** Whether the run has said what it removed; it does so once, however often its end is reached. */
export const retentionRunDecider: Decider<boolean, AppliedRetention, RetentionRunEvent> = {
  initial: false,
  decide: (isTold, data) => (isTold || data.deleted.length === 0 ? [] : [{ type: 'RetentionApplied', data }]),
  evolve: () => true,
};
