import type { z } from 'zod';
import type { AnyEvent } from '../catalogue.ts';

/**
 * What a reader must be allowed to be told of an event: to pull from its project, to see its project as a member does, to
 * read the log of its project, or to read the log of the whole system.
 */
export const needs = ['read', 'member', 'log', 'system'] as const;
export type Need = (typeof needs)[number];

/** How it ended: as it was meant, refused by a rule, or failed. */
export const results = ['done', 'refused', 'failed'] as const;
export type Result = (typeof results)[number];

type DataOf<Type extends AnyEvent['type']> = Extract<AnyEvent, { type: Type }>['data'];

/** What the outside is told of the events of one type of the log. */
export interface Publication<Data> {
  /** Stable, lower-case and dotted, the noun first. */
  readonly type: string;
  readonly need: Need;
  /** The fields of the event that it is told as they are; all others stay inside. */
  readonly fields: readonly (keyof Data & string)[];
  /** What it is told otherwise than it is recorded. */
  readonly more?: { readonly shape: z.ZodRawShape; of(data: Data): object };
  /** Where it belongs, for an event that does not say so by fields called as these. */
  readonly place?: (data: Data) => { readonly project?: string | null };
  /** The name of what it is about, for what is neither a project nor in a repository. */
  readonly subject?: (data: Data) => string;
  /** Absent where it always is `done`. */
  readonly result?: (data: Data) => Result;
}

/** Why the outside is told nothing of the events of a type. */
export interface Private {
  readonly private: string;
}

export type Published = {
  readonly [Type in AnyEvent['type']]: Publication<DataOf<Type>> | Private;
};
