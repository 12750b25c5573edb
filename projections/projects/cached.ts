import type { ProjectEvent } from '../../domain/project/events.ts';
import type { CachedQuestion } from '../../infra/database/cached-question.ts';
import { projects } from './projection.ts';

/** `findProject` */
export const projectQuestion: CachedQuestion<ProjectEvent, [name: string]> = {
  view: projects,
  subjectOf: (name) => name,
  touchedBy: ({ data: { name } }) => [name],
};
