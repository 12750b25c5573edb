import assert from 'node:assert/strict';
import type { Decider } from '../domain/decider.ts';
import type { DomainEvent } from '../domain/event.ts';
import { type Reason, Refusal } from '../domain/refusal.ts';

/** What a decider makes of a command, on what has happened before. */
export const given = <State, Command, Event extends DomainEvent>(
  decider: Decider<State, Command, Event>,
  ...events: readonly Event[]
) => ({
  when(command: Command) {
    const state = events.reduce(decider.evolve, decider.initial);
    return {
      /** Exactly these events, in this order; none for a command that changes nothing. */
      // biome-ignore lint/suspicious/noThenProperty: given, when and then are the words; nothing awaits this.
      then(...expected: readonly Event[]): void {
        assert.deepEqual(decider.decide(state, command), expected);
      },

      thenRefused(reason: Reason): void {
        assert.throws(
          () => decider.decide(state, command),
          (error) => {
            assert.ok(error instanceof Refusal, `a Refusal and not ${error}`);
            assert.deepEqual(error.reason, reason);
            return true;
          },
        );
      },
    };
  },
});
