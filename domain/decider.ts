import type { DomainEvent } from './event.ts';

/**
 * One aggregate's rules. `decide` answers a command with what happened, or throws a `Refusal`; `evolve` folds what
 * happened into the state that the next decision needs. Both are pure.
 */
export interface Decider<State, Command, Event extends DomainEvent> {
  readonly initial: State;
  decide(state: State, command: Command): readonly Event[];
  evolve(state: State, event: Event): State;
}
