import type { AnyEvent } from '../../domain/catalogue.ts';

/** By which somebody may get or lose what he may be told. What expires by itself is found out by asking again. */
const types = new Set<AnyEvent['type']>([
  'ProjectCreated',
  'ProjectMetadataChanged',
  'ProjectDeleted',
  'MemberAdded',
  'MemberRoleChanged',
  'MemberRemoved',
  'UserPasswordChanged',
  'UserAdministratorChanged',
  'UserDeleted',
  'UserGroupDeleted',
  'RobotChanged',
  'RobotSecretChanged',
  'RobotPreviousSecretEnded',
  'RobotDeleted',
  'AccessTokenRevoked',
  'LoggedOut',
]);

export const isOfRights = (type: string): boolean => (types as ReadonlySet<string>).has(type);
