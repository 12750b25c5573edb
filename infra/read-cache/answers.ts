import { LRUCache } from 'lru-cache';

/**
 * Answers that were given or are under way, each under the key of its question. They are dropped by subject: what a
 * change touches may be the matter of several questions.
 */
export interface Answers {
  find(key: string): Promise<unknown> | undefined;
  /** Keeps it until its subject changes, `max` others were used more recently, or it turns out to be an error. */
  keep(key: string, subject: string, answer: Promise<unknown>): void;
  drop(subject: string): void;
  clear(): void;
}

/** Names and digests are shorter; a longer key is what a stranger made up, and not worth the memory. */
const longestKey = 600;

export function boundedAnswers(max: number): Answers {
  /** The keys under each subject, where it is not itself the one key. */
  const keys = new Map<string, Set<string>>();
  const kept = new LRUCache<string, { readonly subject: string; readonly answer: Promise<unknown> }>({
    max,
    dispose: ({ subject }, key) => leave(subject, key),
  });

  function leave(subject: string, key: string): void {
    const others = keys.get(subject);
    others?.delete(key);
    if (others?.size === 0) keys.delete(subject);
  }

  function enter(subject: string, key: string): void {
    if (subject === key) return;
    const others = keys.get(subject);
    if (others === undefined) keys.set(subject, new Set([key]));
    else others.add(key);
  }

  return {
    find: (key) => kept.get(key)?.answer,

    keep(key, subject, answer) {
      if (key.length > longestKey) return;
      const entry = { subject, answer };
      kept.set(key, entry);
      enter(subject, key);
      answer.catch(() => {
        if (kept.peek(key) === entry) kept.delete(key);
      });
    },

    drop(subject) {
      kept.delete(subject);
      for (const key of [...(keys.get(subject) ?? [])]) kept.delete(key);
    },

    clear: () => kept.clear(),
  };
}
