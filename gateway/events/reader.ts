import { authorize, type ProjectScope } from '../../domain/access/authorize.ts';
import type { Permission } from '../../domain/access/permission.ts';
import { type Principal, userOf } from '../../domain/access/principal.ts';
import type { Role } from '../../domain/access/role.ts';
import type { Shown } from '../../domain/public-event/cloud-event.ts';
import type { PublicEvent } from '../../domain/public-event/public-event.ts';
import type { EventSight } from '../../projections/public-events/queries.ts';
import { readsEverything } from '../api/audit-scopes.ts';
import type { ApiPorts } from '../api/ports.ts';

export type ReaderPorts = Pick<ApiPorts, 'rolesOf'> & {
  readonly queries: Pick<ApiPorts['queries'], 'findProjectById' | 'membershipsOf' | 'listProjects'>;
};

/** One who reads events, with the rights that he has while it lives. */
export interface EventReader {
  readonly principal: Principal;
  /** What of the event he is told; undefined for one of which he is told nothing. */
  shownOf(event: PublicEvent): Promise<Shown | undefined>;
}

interface Rights {
  readonly read: boolean;
  /** Not only since everybody may. */
  readonly member: boolean;
  readonly log: boolean;
}

const [reading, readingLog]: readonly [Permission, Permission] = ['repository:pull', 'log:list'];
const nothing: Rights = { read: false, member: false, log: false };
const everything: Shown = { showsActor: true, showsOrigin: true };

export function eventReader(ports: ReaderPorts, principal: Principal): EventReader {
  const seesAll = readsEverything(principal);
  const known = new Map<number, Promise<Rights>>();

  async function find(projectId: number): Promise<Rights> {
    const project = await ports.queries.findProjectById(projectId);
    if (project === undefined) return nothing;
    const roles = await ports.rolesOf(principal, projectId);
    return rightsIn(principal, { kind: 'project', project, roles });
  }

  return {
    principal,
    async shownOf({ need, projectId }) {
      if (seesAll) return everything;
      if (need === 'system' || projectId === undefined) return undefined;
      let rights = known.get(projectId);
      if (rights === undefined) {
        rights = find(projectId);
        known.set(projectId, rights);
      }
      const { [need]: may, member, log } = await rights;
      return may ? { showsActor: member, showsOrigin: log } : undefined;
    },
  };
}

function rightsIn(principal: Principal, scope: ProjectScope): Rights {
  const closed = { ...scope, project: scope.project && { ...scope.project, public: false } };
  return {
    read: authorize(principal, reading, scope),
    member: authorize(principal, reading, closed),
    log: authorize(principal, readingLog, closed),
  };
}

/** The same for the rows of all projects at once. */
export async function eventSightOf({ queries }: ReaderPorts, principal: Principal): Promise<EventSight> {
  if (readsEverything(principal)) return { kind: 'everything' };
  const all = rightsIn(principal, scopeOf('', 0));
  const rights =
    principal.kind === 'robot'
      ? await ofNames(
          principal.permissions.flatMap(({ scope }) => (scope.kind === 'project' ? [scope.project] : [])),
        )
      : await ofMemberships();
  const idsWith = (right: keyof Rights) => rights.flatMap(([id, held]) => (held[right] ? [id] : []));
  const member = { all: all.member, public: false, projectIds: idsWith('member') };
  return {
    kind: 'some',
    read: { ...member, public: true },
    member,
    log: { all: all.log, public: false, projectIds: idsWith('log') },
  };

  async function ofMemberships(): Promise<[number, Rights][]> {
    const user = userOf(principal);
    const memberships = user === undefined ? [] : await queries.membershipsOf(user);
    return [...Map.groupBy(memberships, ({ projectId }) => projectId)].map(([projectId, held]) => [
      projectId,
      rightsIn(
        principal,
        scopeOf(
          '',
          projectId,
          held.map(({ role }) => role),
        ),
      ),
    ]);
  }

  async function ofNames(names: readonly string[]): Promise<[number, Rights][]> {
    const asked = names.filter((name) => name !== '*');
    if (asked.length === 0) return [];
    const { rows } = await queries.listProjects(
      { filters: [{ key: 'name', kind: 'any', values: asked }], sort: [], offset: 0, limit: undefined },
      { kind: 'all' },
    );
    return rows.map(({ name, projectId }) => [projectId, rightsIn(principal, scopeOf(name, projectId))]);
  }
}

/** Whether a project is public is asked apart from this. */
const scopeOf = (name: string, projectId: number, roles: readonly Role[] = []): ProjectScope => ({
  kind: 'project',
  project: { name, projectId, public: false },
  roles,
});
