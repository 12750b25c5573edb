import type { TagEvent } from '../../domain/tag/events.ts';
import type { CachedQuestion } from '../../infra/database/cached-question.ts';
import { tags } from './projection.ts';

const tagOf = (repository: string, tag: string): string => `${repository}:${tag}`;

/** `findTag` */
export const tagQuestion: CachedQuestion<TagEvent, [repository: string, tag: string]> = {
  view: tags,
  subjectOf: tagOf,
  touchedBy: ({ data: { repository, tag } }) => [tagOf(repository, tag)],
};
