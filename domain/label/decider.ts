import type { Decider } from '../decider.ts';
import { Refusal } from '../refusal.ts';
import type { LabelEvent } from './events.ts';

export interface LabelSettings {
  readonly name: string;
  readonly description: string;
  readonly color: string;
}

/** Where a label belongs; both are null for the system. */
export interface LabelScope {
  readonly project: string | null;
  readonly projectId: number | null;
}

export type LabelCommand =
  | ({ readonly do: 'create' } & LabelSettings & LabelScope)
  | ({ readonly do: 'change' } & LabelSettings)
  | { readonly do: 'require' | 'delete' };

/** Of all labels of a stream only what a decision about one of them needs, however many there are. */
export interface Labels {
  /** The label that the decision is about; null while it is not there. */
  readonly own: (LabelSettings & LabelScope) | null;
  /** The number of the label that has the name which is asked for. */
  readonly holder: number | null;
}

/**
 * The label `labelId` among those of its project, or of the system.
 * @param name what it is to be called; undefined where it keeps its name
 */
export const labelDecider = (labelId: number, name?: string): Decider<Labels, LabelCommand, LabelEvent> => ({
  initial: { own: null, holder: null },

  decide({ own, holder }, command) {
    const isTaken = holder !== null && holder !== labelId;
    if (isTaken && 'name' in command) throw new Refusal({ kind: 'label-exists', label: command.name });
    if (command.do === 'create') {
      const { do: _, ...data } = command;
      return [{ type: 'LabelCreated', data: { labelId, ...data } }];
    }
    if (own === null) throw new Refusal({ kind: 'label-unknown', labelId });
    switch (command.do) {
      case 'require':
        return [];
      case 'delete': {
        const { description: _, color: __, ...which } = own;
        return [{ type: 'LabelDeleted', data: { labelId, ...which } }];
      }
      case 'change': {
        const { do: _, ...settings } = command;
        const isSame = keys.every((key) => own[key] === settings[key]);
        return isSame ? [] : [{ type: 'LabelChanged', data: { labelId, ...own, ...settings } }];
      }
    }
  },

  evolve({ own, holder }, { type, data: { labelId: id, ...label } }) {
    const isGone = type === 'LabelDeleted';
    const hasName = !isGone && label.name === name;
    return {
      own: id !== labelId ? own : 'color' in label ? label : null,
      holder: hasName ? id : id === holder ? null : holder,
    };
  },
});

const keys = ['name', 'description', 'color'] as const;
