import type { UserEvent } from '../../domain/user/events.ts';
import { type CachedQuestion, everything } from '../../infra/database/cached-question.ts';
import { users } from './projection.ts';

/** `findLoginUser`: of an e-mail address that a user had before, no event tells, and users change seldom. */
export const loginUserQuestion: CachedQuestion<UserEvent, [usernameOrEmailKey: string]> = {
  view: users,
  subjectOf: (usernameOrEmailKey) => usernameOrEmailKey,
  touchedBy: () => everything,
};
