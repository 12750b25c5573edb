import { test } from 'node:test';
import { requiringUserGroup, userGroupDecider } from '../../domain/user-group/decider.ts';
import type { UserGroupEvent } from '../../domain/user-group/events.ts';
import { userGroupKeyDecider } from '../../domain/user-group-key/decider.ts';
import type { UserGroupKeyEvent } from '../../domain/user-group-key/events.ts';
import { given } from '../given.ts';

const which = { groupId: 1, groupType: 'oidc', name: 'builders' } as const;
const created: UserGroupEvent = { type: 'UserGroupCreated', data: { ...which, dn: null } };
const renamed: UserGroupEvent = {
  type: 'UserGroupRenamed',
  data: { ...which, name: 'makers', from: 'builders' },
};
const deleted: UserGroupEvent = { type: 'UserGroupDeleted', data: which };
const unknown = { kind: 'user-group-unknown', groupId: 1 } as const;

test('a group is created, called otherwise, and deleted', () => {
  given(userGroupDecider)
    .when({ do: 'create', ...which, dn: null })
    .then(created);
  given(userGroupDecider, created).when({ do: 'rename', groupId: 1, name: 'makers' }).then(renamed);
  given(userGroupDecider, created).when({ do: 'delete', groupId: 1 }).then(deleted);
});

test('the name that a group has already changes nothing', () => {
  given(userGroupDecider, created, renamed).when({ do: 'rename', groupId: 1, name: 'makers' }).then();
});

test('a group that is not there cannot be renamed, and needs no deletion', () => {
  for (const past of [[], [created, deleted]]) {
    given(userGroupDecider, ...past)
      .when({ do: 'rename', groupId: 1, name: 'makers' })
      .thenRefused(unknown);
    given(userGroupDecider, ...past)
      .when({ do: 'delete', groupId: 1 })
      .then();
  }
});

test('a group that becomes a member has to be there', () => {
  given(requiringUserGroup, created).when({ groupId: 1 }).then();
  given(requiringUserGroup).when({ groupId: 1 }).thenRefused(unknown);
  given(requiringUserGroup, created, deleted).when({ groupId: 1 }).thenRefused(unknown);
});

const first = { groupType: 'oidc', key: 'builders', groupId: 1 } as const;
const second = { ...first, groupId: 2 };
const reserved: UserGroupKeyEvent = { type: 'UserGroupKeyReserved', data: first };
const released: UserGroupKeyEvent = { type: 'UserGroupKeyReleased', data: first };

test('a name belongs to one group of its type', () => {
  given(userGroupKeyDecider)
    .when({ do: 'reserve', ...first })
    .then(reserved);
  given(userGroupKeyDecider, reserved)
    .when({ do: 'reserve', ...second })
    .thenRefused({ kind: 'user-group-exists', name: 'builders' });
});

test('the group that has a name reserves it again with an event, in front of which no release is decided', () => {
  given(userGroupKeyDecider, reserved)
    .when({ do: 'reserve', ...first })
    .then(reserved);
});

test('a name that was released or abandoned is free, and only the group that has it can release it', () => {
  given(userGroupKeyDecider, reserved)
    .when({ do: 'release', ...first })
    .then(released);
  given(userGroupKeyDecider, reserved)
    .when({ do: 'release', ...second })
    .then();
  const taken: UserGroupKeyEvent = { type: 'UserGroupKeyReserved', data: second };
  given(userGroupKeyDecider, reserved, released)
    .when({ do: 'reserve', ...second })
    .then(taken);
  given(userGroupKeyDecider, reserved)
    .when({ do: 'reserve', ...second, abandonedBy: 1 })
    .then(taken);
  given(userGroupKeyDecider, taken)
    .when({ do: 'reserve', ...first, abandonedBy: 7 })
    .thenRefused({ kind: 'user-group-exists', name: 'builders' });
});
