import type { Decider } from '../decider.ts';
import type { QuotaEvent } from './events.ts';

export interface Quota {
  /** In bytes, -1 for any number; null while it is what the project was created with. */
  readonly storage: number | null;
  /** Whether it was said that there is not much left. */
  readonly warned: boolean;
}

interface Of {
  readonly projectId: number;
  readonly project: string;
}

export type QuotaCommand = Of &
  (
    | { readonly do: 'set'; readonly storage: number }
    /** What is and what may be, both read before deciding. */
    | { readonly do: 'observe'; readonly storage: number; readonly used: number }
  );

/** Of what a project may hold, where a warning begins. */
export const warningShare = 0.85;
/** What counts as unlimited. */
export const unlimited = -1;

export const quotaDecider: Decider<Quota, QuotaCommand, QuotaEvent> = {
  initial: { storage: null, warned: false },

  decide({ storage: before, warned }, command) {
    const { do: what, ...data } = command;
    if (what === 'set') return before === data.storage ? [] : [{ type: 'QuotaSet', data }];
    const { used, storage } = command as Extract<QuotaCommand, { do: 'observe' }>;
    const isHigh = storage !== unlimited && used >= storage * warningShare;
    if (isHigh === warned) return [];
    const { projectId, project } = data;
    return [{ type: isHigh ? 'QuotaWarned' : 'QuotaEased', data: { projectId, project, storage, used } }];
  },

  evolve(quota, event) {
    switch (event.type) {
      case 'QuotaSet':
        return { ...quota, storage: event.data.storage };
      case 'QuotaWarned':
        return { ...quota, warned: true };
      case 'QuotaEased':
        return { ...quota, warned: false };
    }
  },
};
