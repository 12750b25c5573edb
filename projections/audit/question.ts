import { type RawBuilder, type SqlBool, sql } from 'kysely';
import { jobService } from '../../domain/access/principal.ts';
import type { ActorKind } from '../../domain/audit/entry.ts';
import type { AuditOperation } from '../../domain/audit/operations.ts';
import type { AuditScope } from './queries.ts';

/** Which entries are asked for: those of which all of this is true. */
export interface AuditQuestion {
  readonly scope: AuditScope;
  readonly operations: readonly AuditOperation[];
  /** The name of a user, or of a robot without its prefix; where both can be called so, it is not said which. */
  readonly actor?: { readonly name: string; readonly isRobot: boolean | undefined } | undefined;
  readonly actorKind?: ActorKind | undefined;
  readonly resource?: string | undefined;
  /** What the resource begins with. */
  readonly resourcePrefix?: string | undefined;
  readonly projectId?: number | undefined;
  readonly from?: Date | undefined;
  /** Before this time. */
  readonly until?: Date | undefined;
  /** An address, or a network as CIDR writes it. */
  readonly address?: string | undefined;
  readonly correlationId?: string | undefined;
  readonly requestId?: string | undefined;
  readonly succeeded?: boolean | undefined;
  /** What the reason contains, whatever the case. */
  readonly reason?: string | undefined;
}

/** One thing that is asked, of the row `e`. */
export type Condition = RawBuilder<SqlBool>;

/**
 * How the rows are found. Of all that is asked some is led by, for which an index has the rows in the order of time, and the
 * rest is looked at row by row.
 */
export interface Way {
  /**
   * `directly` where the index is by what leads alone; otherwise it is by the operation too, and in the projects, and those
   * of each are merged.
   */
  readonly kind: 'directly' | 'by operation';
  /** Of these one at least; where there are two, the rows of both are merged. */
  readonly leads: readonly Condition[];
  /** Undefined for whatever project it is, or none. */
  readonly projectIds: readonly number[] | undefined;
  readonly searched: readonly Condition[];
}

/** What a range of names or addresses covers is put in the order of time, where it is no more than so many rows. */
export const maxSortedRows = 5000;
/** So many lists of operations in projects are merged; of more projects, all rows are looked at. */
const maxProjects = 25;

/** @param isFew whether so few rows are in a range that they can be sorted. */
export async function wayTo(
  question: AuditQuestion,
  isFew: (range: Condition) => Promise<boolean>,
): Promise<Way> {
  const { requestId, correlationId, address, network, resource, resourcePrefix, actor, failed, reason } =
    leadsOf(question);
  const ranges = [network, resourcePrefix].filter((range) => range !== undefined);
  const projectIds = projectsOf(question);
  const inProjects =
    projectIds === undefined ? [] : [sql<SqlBool>`e.project_id = ANY (${[...projectIds]}::integer[])`];
  const residue = residueOf(question);
  /** What else is asked, of all that could lead. */
  const others = (lead?: readonly Condition[]): readonly Condition[] =>
    [requestId, correlationId, address, network, resource, resourcePrefix, actor, failed, reason]
      .filter((could) => could !== undefined && could !== lead)
      .map((could) => sql<SqlBool>`(${sql.join(could ?? [], sql` OR `)})`)
      .concat(residue);

  for (const lead of [requestId, correlationId, address, reason])
    if (lead !== undefined) return directly(lead);
  // No index is by the resource and the project.
  if (resource !== undefined) return byOperation(resource, false);
  if (actor !== undefined) return byOperation(actor, isMerged(projectIds));
  for (const range of ranges)
    if (await isFew(sql`(${sql.join([...range], sql` OR `)})`)) return directly(range);
  if (failed !== undefined) return byOperation(failed, false);
  return byOperation(undefined, isMerged(projectIds));

  function directly(leads: readonly Condition[]): Way {
    const searched = [...others(leads), ...inProjects, ofOperations(question)];
    return { kind: 'directly', leads, projectIds: undefined, searched };
  }

  function byOperation(leads: readonly Condition[] | undefined, isInProjects: boolean): Way {
    return {
      ...{ kind: 'by operation', leads: leads ?? [] },
      projectIds: isInProjects ? projectIds : undefined,
      searched: [...others(leads), ...(isInProjects ? [] : inProjects)],
    };
  }
}

const isMerged = (projectIds: readonly number[] | undefined): boolean =>
  projectIds === undefined || projectIds.length <= maxProjects;

const ofOperations = ({ operations }: AuditQuestion): Condition =>
  sql<SqlBool>`e.type = ANY (${[...operations]}::text[])`;

function projectsOf({ scope, projectId }: AuditQuestion): readonly number[] | undefined {
  const inScope = scope.kind === 'projects' ? scope.projectIds : undefined;
  if (projectId === undefined) return inScope;
  return inScope === undefined || inScope.includes(projectId) ? [projectId] : [];
}

/** What an index is by; each is one condition, or several of which one is to be true. */
function leadsOf(question: AuditQuestion) {
  const { actor, actorKind, resource, resourcePrefix, address, correlationId, requestId } = question;
  const isNetwork = address?.includes('/') === true;
  const only = actorKind === undefined ? undefined : onlyNames[actorKind];
  const who = actor ?? (only === undefined ? undefined : { name: only, isRobot: false });
  return {
    // The id of a request is not kept twice.
    requestId: given(requestId, (id) => [
      sql`e.request_id = ${id} AND e.request_id <> ''`,
      sql`e.correlation_id = ${id} AND e.request_id = ''`,
    ]),
    correlationId: given(correlationId, (id) => [sql`e.correlation_id = ${id}`]),
    address: given(isNetwork ? undefined : address, (text) => [sql`e.address = ${text}::inet`]),
    // By bounds, for the index.
    network: given(isNetwork ? address : undefined, (text) => [
      sql`e.address <<= network(${text}::inet)
        AND e.address >= network(${text}::inet)::inet AND e.address <= ${lastOf(text)}`,
    ]),
    resource: given(resource, (name) => [sql`e.resource = ${name}`]),
    resourcePrefix: given(resourcePrefix, (start) => [
      sql`e.resource >= ${start} AND e.resource < ${start + lastCharacter} AND starts_with(e.resource, ${start})`,
    ]),
    actor: given(who, ({ name, isRobot }) =>
      [false, true]
        .filter((kind) => isRobot === undefined || kind === isRobot)
        .map(
          (kind) => sql<SqlBool>`e.username = ${name} AND ${kind ? sql`e.is_robot` : sql`NOT e.is_robot`}`,
        ),
    ),
    // Most entries have none.
    reason: given(question.reason, () => [sql`e.reason IS NOT NULL`]),
    failed: given(question.succeeded === false ? true : undefined, () => [sql`NOT e.succeeded`]),
  };
}

const given = <Value>(
  value: Value | undefined,
  conditions: (value: Value) => readonly Condition[],
): readonly Condition[] | undefined => (value === undefined ? undefined : conditions(value));

/** The last address of a network, in the order of addresses: the length of a network counts in it before the host. */
const lastOf = (network: string) =>
  sql`set_masklen(broadcast(${network}::inet), CASE family(${network}::inet) WHEN 4 THEN 32 ELSE 128 END)`;

/** What no index is by. */
const residueOf = ({ scope, actorKind, succeeded, reason }: AuditQuestion): Condition[] => [
  ...(actorKind === undefined ? [] : [sql<SqlBool>`e.actor_kind = ${actorKind}`]),
  ...(succeeded ? [sql<SqlBool>`e.succeeded`] : []),
  ...(reason === undefined ? [] : [sql<SqlBool>`strpos(lower(e.reason), ${reason.toLowerCase()}) > 0`]),
  ...(scope.kind === 'every project' ? [sql<SqlBool>`e.project_id IS NOT NULL`] : []),
];

/** The names of those kinds of which there is one. */
const onlyNames: Readonly<Partial<Record<ActorKind, string>>> = {
  system: jobService,
  anonymous: 'anonymous',
};
/** The last in the order of bytes. */
const lastCharacter = '\u{10FFFF}';
