import type { Hash } from 'node:crypto';

export interface HashStates {
  /** Removes and returns the state of upload `id`, if it was kept under the same `mark`. */
  take(id: string, mark: string): Hash | undefined;
  keep(id: string, mark: string, hash: Hash): void;
  drop(id: string): void;
}

/**
 * The SHA-256 states of open uploads, kept between their chunks since Node can not write one down. A `mark` names the
 * exact bytes that a state covers. Above `limit` uploads the oldest state goes, and its bytes are read again.
 */
export function hashStates(limit = 4096): HashStates {
  const states = new Map<string, { readonly mark: string; readonly hash: Hash }>();
  return {
    take(id, mark) {
      const state = states.get(id);
      states.delete(id);
      return state?.mark === mark ? state.hash : undefined;
    },
    keep(id, mark, hash) {
      states.delete(id);
      states.set(id, { mark, hash });
      const [oldest] = states.keys();
      if (states.size > limit && oldest !== undefined) states.delete(oldest);
    },
    drop(id) {
      states.delete(id);
    },
  };
}
