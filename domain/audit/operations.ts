import { type AuditType, auditTypes, partsOf } from './types.ts';

/** What is told beyond Harbor's types: what it is about, and the type of Harbor's with which it is left out and purged. */
interface Operation {
  readonly resourceType: string;
  readonly with?: AuditType;
}

/**
 * What the audit log tells of that Harbor has no row for. What Harbor has one row for a request for is told in full: the
 * manifest of a push beside its tags, the tags of a repository that is deleted.
 */
const own = {
  push_manifest: { resourceType: 'artifact', with: 'create_artifact' },
  remove_manifest: { resourceType: 'artifact', with: 'delete_artifact' },
  damage_manifest: { resourceType: 'artifact' },
  attach_label: { resourceType: 'artifact' },
  detach_label: { resourceType: 'artifact' },
  assign_tag: { resourceType: 'tag', with: 'create_tag' },
  move_tag: { resourceType: 'tag', with: 'create_tag' },
  remove_tag: { resourceType: 'tag', with: 'delete_tag' },
  delete_blob: { resourceType: 'blob' },
  damage_blob: { resourceType: 'blob' },
  update_repository: { resourceType: 'repository' },
  remove_repository: { resourceType: 'repository', with: 'delete_repository' },
  add_project: { resourceType: 'project', with: 'create_project' },
  set_project_metadata: { resourceType: 'project', with: 'update_project' },
  set_project_cve_allowlist: { resourceType: 'project', with: 'update_project' },
  remove_project: { resourceType: 'project', with: 'delete_project' },
  set_quota: { resourceType: 'quota' },
  exceed_quota: { resourceType: 'quota' },
  add_member: { resourceType: 'member', with: 'create_member' },
  change_member: { resourceType: 'member', with: 'update_member' },
  remove_member: { resourceType: 'member', with: 'delete_member' },
  add_robot: { resourceType: 'robot', with: 'create_robot' },
  update_robot: { resourceType: 'robot' },
  update_robot_secret: { resourceType: 'robot' },
  end_robot_secret: { resourceType: 'robot' },
  remove_robot: { resourceType: 'robot', with: 'delete_robot' },
  login_robot: { resourceType: 'robot', with: 'login_user' },
  logout_robot: { resourceType: 'robot', with: 'logout_user' },
  add_user: { resourceType: 'user', with: 'create_user' },
  change_user: { resourceType: 'user', with: 'update_user' },
  remove_user: { resourceType: 'user', with: 'delete_user' },
  erase_user: { resourceType: 'user', with: 'delete_user' },
  update_preferences: { resourceType: 'user' },
  create_access_token: { resourceType: 'access_token' },
  revoke_access_token: { resourceType: 'access_token' },
  create_user_group: { resourceType: 'user_group' },
  update_user_group: { resourceType: 'user_group' },
  delete_user_group: { resourceType: 'user_group' },
  create_label: { resourceType: 'label' },
  update_label: { resourceType: 'label' },
  delete_label: { resourceType: 'label' },
  create_immutable_rule: { resourceType: 'immutable_rule' },
  update_immutable_rule: { resourceType: 'immutable_rule' },
  delete_immutable_rule: { resourceType: 'immutable_rule' },
  create_retention: { resourceType: 'retention' },
  update_retention: { resourceType: 'retention' },
  delete_retention: { resourceType: 'retention' },
  create_webhook: { resourceType: 'webhook' },
  update_webhook: { resourceType: 'webhook' },
  delete_webhook: { resourceType: 'webhook' },
  update_webhook_secret: { resourceType: 'webhook' },
  delete_webhook_secret: { resourceType: 'webhook' },
  pause_webhook: { resourceType: 'webhook' },
  resume_webhook: { resourceType: 'webhook' },
  redeliver_webhook: { resourceType: 'webhook' },
  change_configuration: { resourceType: 'configuration', with: 'update_configuration' },
  pin_audit_settings: { resourceType: 'configuration' },
  update_cve_allowlist: { resourceType: 'cve_allowlist' },
  create_signing_key: { resourceType: 'signing_key' },
  retire_signing_key: { resourceType: 'signing_key' },
  start_execution: { resourceType: 'execution' },
  stop_execution: { resourceType: 'execution' },
  stop_task: { resourceType: 'execution' },
  collect_garbage: { resourceType: 'execution' },
  set_schedule: { resourceType: 'schedule' },
  remove_schedule: { resourceType: 'schedule' },
  pause_queue: { resourceType: 'queue' },
  resume_queue: { resourceType: 'queue' },
} as const satisfies Readonly<Record<string, Operation>>;

export type OwnOperation = keyof typeof own;
/** What an entry of the audit log says was done: Harbor's type where it has one. */
export type AuditOperation = AuditType | OwnOperation;

const ownOperations = Object.keys(own) as readonly OwnOperation[];
export const auditOperations: readonly AuditOperation[] = [...auditTypes, ...ownOperations];
const known: ReadonlySet<string> = new Set(auditOperations);
export const isAuditOperation = (name: string): name is AuditOperation => known.has(name);

const isOwn = (operation: AuditOperation): operation is OwnOperation => Object.hasOwn(own, operation);
const ownOf = (operation: OwnOperation): Operation => own[operation];

export const resourceTypeOf = (operation: AuditOperation): string =>
  isOwn(operation) ? own[operation].resourceType : partsOf(operation).resourceType;

export const auditResourceTypes: readonly string[] = [...new Set(auditOperations.map(resourceTypeOf))].sort();

/** Harbor's type by which settings leave the operation out; null where none does. */
export const leftOutWith = (operation: AuditOperation): AuditType | null =>
  isOwn(operation) ? (ownOf(operation).with ?? null) : operation;

/** What a purge of the operations takes: with one of Harbor's also what is left out with it. */
export const purgedWith = (operations: readonly AuditOperation[]): readonly AuditOperation[] => {
  const named: ReadonlySet<string | null> = new Set(operations);
  return auditOperations.filter(
    (operation) => named.has(operation) || (isOwn(operation) && named.has(leftOutWith(operation))),
  );
};

/** `create_label`: in words, where no others are kept. */
export const inWords = (operation: AuditOperation): string => operation.replaceAll('_', ' ');
