import { type CachedQuestion, everything } from '../../infra/database/cached-question.ts';
import { type MembersEvent, members } from './projection.ts';

/** `rolesOf` */
export const rolesQuestion: CachedQuestion<MembersEvent, [projectName: string, userId: number]> = {
  view: members,
  subjectOf: (projectName) => projectName,
  touchedBy(event) {
    switch (event.type) {
      case 'MemberAdded':
      case 'MemberRoleChanged':
      case 'MemberRemoved':
        return [event.data.project];
      case 'ProjectDeleted':
        return [event.data.name];
      // Of whatever projects the user was a member.
      case 'UserDeleted':
        return everything;
    }
  },
};
