import { test } from 'node:test';
import { memberDecider } from '../../domain/member/decider.ts';
import type { MemberEvent } from '../../domain/member/events.ts';
import { given } from '../given.ts';

const which = {
  memberId: 5,
  projectId: 2,
  project: 'team',
  entityType: 'user',
  entityId: 3,
  entityName: 'jane',
} as const;
const added: MemberEvent = { type: 'MemberAdded', data: { ...which, role: 'developer' } };
const removed: MemberEvent = { type: 'MemberRemoved', data: which };

test('a user becomes a member of a project once', () => {
  given(memberDecider)
    .when({ do: 'add', ...which, role: 'developer' })
    .then(added);
  given(memberDecider, added)
    .when({ do: 'add', ...which, memberId: 6, role: 'guest' })
    .thenRefused({ kind: 'member-exists', project: 'team', member: 'jane' });
});

test('a member gets another role, and the same one again changes nothing', () => {
  const promoted: MemberEvent = { type: 'MemberRoleChanged', data: { ...which, role: 'maintainer' } };
  given(memberDecider, added).when({ do: 'change-role', memberId: 5, role: 'maintainer' }).then(promoted);
  given(memberDecider, added, promoted).when({ do: 'change-role', memberId: 5, role: 'maintainer' }).then();
});

test('who was removed is no member, and can become one again with another number', () => {
  given(memberDecider, added).when({ do: 'remove', memberId: 5 }).then(removed);
  given(memberDecider, added, removed)
    .when({ do: 'remove', memberId: 5 })
    .thenRefused({ kind: 'member-unknown', memberId: 5 });
  given(memberDecider, added, removed)
    .when({ do: 'add', ...which, memberId: 6, role: 'guest' })
    .then({ type: 'MemberAdded', data: { ...which, memberId: 6, role: 'guest' } });
});

test('what is meant for an earlier membership does not hit the present one', () => {
  const again: MemberEvent = { type: 'MemberAdded', data: { ...which, memberId: 6, role: 'guest' } };
  for (const command of [
    { do: 'remove', memberId: 5 },
    { do: 'change-role', memberId: 5, role: 'projectAdmin' },
  ] as const)
    given(memberDecider, added, removed, again)
      .when(command)
      .thenRefused({ kind: 'member-unknown', memberId: 5 });
});
