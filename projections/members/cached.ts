import { type CachedQuestion, everything } from '../../infra/database/cached-question.ts';
import { type MembersEvent, members } from './projection.ts';

/** `rolesOf` of a user; `groups` are the numbers of those that he is in, joined with commas. */
export const rolesQuestion: CachedQuestion<
  MembersEvent,
  [projectId: number, userId: number, groups: string]
> = {
  view: members,
  subjectOf: (projectId) => String(projectId),
  touchedBy(event) {
    switch (event.type) {
      case 'MemberAdded':
      case 'MemberRoleChanged':
      case 'MemberRemoved':
      case 'ProjectDeleted':
        return [String(event.data.projectId)];
      // What a group is called makes no difference to its roles, and a new one has none.
      case 'UserGroupCreated':
      case 'UserGroupRenamed':
        return [];
      // Of whatever projects the user or the group was a member.
      case 'UserGroupDeleted':
      case 'UserDeleted':
        return everything;
    }
  },
};
