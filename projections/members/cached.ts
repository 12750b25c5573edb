import { type CachedQuestion, everything } from '../../infra/database/cached-question.ts';
import { type MembersEvent, members } from './projection.ts';

/** `rolesOf` */
export const rolesQuestion: CachedQuestion<MembersEvent, [projectId: number, userId: number]> = {
  view: members,
  subjectOf: (projectId) => String(projectId),
  touchedBy(event) {
    switch (event.type) {
      case 'MemberAdded':
      case 'MemberRoleChanged':
      case 'MemberRemoved':
      case 'ProjectDeleted':
        return [String(event.data.projectId)];
      // Of whatever projects the user was a member.
      case 'UserDeleted':
        return everything;
    }
  },
};
