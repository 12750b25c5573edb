import type { CachedQuestion } from '../../infra/database/cached-question.ts';
import { type QuotaViewEvent, quotas } from './projection.ts';

/** `findLimit` */
export const limitQuestion: CachedQuestion<QuotaViewEvent, [project: string]> = {
  view: quotas,
  subjectOf: (project) => project,
  touchedBy(event) {
    switch (event.type) {
      case 'ProjectCreated':
      case 'ProjectDeleted':
        return [event.data.name];
      case 'QuotaSet':
        return [event.data.project];
      case 'QuotaWarned':
      case 'QuotaEased':
        return [];
    }
  },
};
