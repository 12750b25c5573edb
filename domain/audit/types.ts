import { auditEventTypes } from '../configuration/items.ts';

/**
 * What rows of the audit log are about: Harbor's operation and the type of its resource. Those of tags have no name among
 * the types that can be left out, as with Harbor.
 */
export const auditTypes = [...auditEventTypes, 'create_tag', 'delete_tag'] as const;
export type AuditType = (typeof auditTypes)[number];

export const isAuditType = (name: string): name is AuditType =>
  (auditTypes as readonly string[]).includes(name);

/** `create_artifact`: the operation is `create`, and the type of the resource `artifact`. */
export function partsOf(type: AuditType): { readonly operation: string; readonly resourceType: string } {
  const [operation = '', resourceType = ''] = type.split('_', 2);
  return { operation, resourceType };
}

/** The types that a list in the form of Harbor's settings names. */
export const typesIn = (list: string): readonly AuditType[] =>
  list
    .split(',')
    .map((name) => name.trim())
    .filter(isAuditType);
