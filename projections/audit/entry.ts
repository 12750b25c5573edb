import type { ArtifactEvent } from '../../domain/artifact/events.ts';
import type { RefusedChange, RefusedChangeEvent } from '../../domain/audit/events.ts';
import type { AuditType } from '../../domain/audit/types.ts';
import type { ConfigurationEvent } from '../../domain/configuration/events.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import type { LoginEvent } from '../../domain/login/events.ts';
import type { MemberEvent } from '../../domain/member/events.ts';
import type { ProjectEvent } from '../../domain/project/events.ts';
import type { PullEvent } from '../../domain/pull/events.ts';
import type { RepositoryEvent } from '../../domain/repository/events.ts';
import { projectOf } from '../../domain/repository.ts';
import type { RobotEvent } from '../../domain/robot/events.ts';
import type { TagEvent } from '../../domain/tag/events.ts';
import type { UserEvent } from '../../domain/user/events.ts';
import { pseudonymOf } from '../../domain/user/pseudonym.ts';
import type { UserErasureEvent } from '../../domain/user-erasure/events.ts';

export type ToldEvent =
  | Extract<ArtifactEvent, { type: 'ManifestPushed' | 'ManifestDeleted' }>
  | PullEvent
  | TagEvent
  | Extract<RepositoryEvent, { type: 'RepositoryDeleted' }>
  | ProjectEvent
  | MemberEvent
  | Extract<RobotEvent, { type: 'RobotCreated' | 'RobotDeleted' }>
  | UserEvent
  | UserErasureEvent
  | ConfigurationEvent
  | LoginEvent
  | RefusedChangeEvent;

/** What the audit log says of an event, in Harbor's words. */
export interface Entry {
  readonly type: AuditType;
  readonly resource: string;
  readonly description: string;
  /** The project's number, or the name that it has at this time; neither for what is of no project. */
  readonly project?: string;
  readonly projectId?: number;
  /** Who it was, where the event does not name an actor. */
  readonly username?: string;
  /** Whether it was tried in vain. */
  readonly failed?: true;
}

/** What goes with something greater is told with that alone: Harbor has one row for a request. */
const partOf: Readonly<Record<string, readonly ToldEvent['type'][]>> = {
  // What is left of a project goes before the next one of its name comes.
  createProject: ['ProjectMetadataChanged', 'MemberAdded', 'TagRemoved', 'ManifestDeleted'],
  deleteArtifact: ['TagRemoved'],
  deleteRepository: ['TagRemoved', 'ManifestDeleted'],
  deleteProject: ['TagRemoved', 'ManifestDeleted', 'MemberRemoved', 'RobotDeleted'],
  deleteUser: ['MemberRemoved', 'UserErased'],
  eraseUser: ['MemberRemoved', 'UserDeleted'],
  // What these leave in the settings of a project nobody has asked for by itself.
  createRetention: ['ProjectMetadataChanged'],
  deleteRetention: ['ProjectMetadataChanged'],
  setScannerOfProject: ['ProjectMetadataChanged'],
};

/** Undefined for what nobody did: what the registry does by itself, and parts of something greater. */
export function entryOf(event: RecordedEvent<ToldEvent>): Entry | undefined {
  const { actor, operation, reason } = event.metadata;
  // What it does for a policy that somebody has made says so.
  if (
    (actor === 'system' && reason === undefined) ||
    (operation !== undefined && partOf[operation]?.includes(event.type))
  )
    return undefined;
  switch (event.type) {
    case 'ManifestPushed':
      return artifact('create', 'push', event.data);
    case 'ManifestDeleted':
      return artifact('delete', 'delete', event.data);
    case 'ArtifactPulled': {
      // A project of the same name may be another one by the time that it is recorded.
      const { projectId, repository, digest, tag } = event.data;
      return {
        ...artifact('pull', 'pull', { repository, digest, ...(tag !== undefined && { tag }) }),
        projectId,
      };
    }
    case 'TagAssigned':
    case 'TagMoved':
      return operation === 'createTag' ? tag('create', event.data) : artifact('create', 'push', event.data);
    case 'TagRemoved':
      return tag('delete', event.data);
    case 'RepositoryDeleted': {
      const { repository } = event.data;
      const description = `delete repository: ${repository}`;
      return { type: 'delete_repository', resource: repository, description, project: projectOf(repository) };
    }
    case 'ProjectCreated':
      return project('create', event.data);
    case 'ProjectMetadataChanged':
    case 'ProjectCveAllowlistChanged':
      return project('update', event.data);
    case 'ProjectDeleted':
      return project('delete', event.data);
    case 'MemberAdded':
      return member('create', event.data);
    case 'MemberRoleChanged':
      return member('update', event.data);
    case 'MemberRemoved':
      return member('delete', event.data);
    case 'RobotCreated':
      return robot('create', event.data.name);
    case 'RobotDeleted':
      return robot('delete', event.data.name);
    case 'UserCreated':
      return user('create', event.data.username);
    case 'UserDeleted':
      return user('delete', event.data.username);
    case 'UserErased':
      return user('delete', pseudonymOf(event.data.userId), ', erased');
    case 'UserProfileChanged':
      return user('update', event.data.username);
    case 'UserPasswordChanged':
      return user('update', event.data.username, passwordWords);
    case 'UserAdministratorChanged':
      return user('update', event.data.username, administratorWords);
    case 'ConfigurationChanged':
      return configuration;
    case 'LoginSucceeded':
    case 'LoginFailed':
    case 'LoggedOut':
      return session(event);
    case 'ChangeRefused':
      return { ...refused(event.data, operation), failed: true };
  }
}

const artifact = (
  operation: 'create' | 'pull' | 'delete',
  verb: string,
  {
    repository,
    digest,
    tag,
  }: { readonly repository: string; readonly digest: string; readonly tag?: string },
): Entry => ({
  type: `${operation}_artifact`,
  resource: tag === undefined ? `${repository}@${digest}` : `${repository}:${tag}`,
  description: `${verb} artifact: ${repository}@${digest}`,
  project: projectOf(repository),
});

const tag = (
  operation: 'create' | 'delete',
  at: { readonly repository: string; readonly tag: string },
): Entry => {
  const resource = `${at.repository}:${at.tag}`;
  const description = `${operation} tag: ${resource}`;
  return { type: `${operation}_tag`, resource, description, project: projectOf(at.repository) };
};

const project = (
  operation: 'create' | 'update' | 'delete',
  { name, projectId }: { readonly name: string; readonly projectId: number },
): Entry => ({
  type: `${operation}_project`,
  resource: name,
  description: `${operation} project: ${name}`,
  projectId,
});

const member = (
  operation: 'create' | 'update' | 'delete',
  of: Omit<Pick<MemberEvent['data'], 'entityType' | 'entityName' | 'project' | 'projectId'>, 'projectId'> & {
    readonly projectId?: number;
  },
): Entry => {
  const { entityType, entityName, project, projectId } = of;
  const where = operation === 'delete' ? 'from' : 'in';
  return {
    type: `${operation}_member`,
    resource: entityName,
    description: `${operation} ${entityType} member ${entityName} ${where} project ${project}`,
    ...(projectId !== undefined && { projectId }),
  };
};

/** A robot of a project has its name before its own. */
const robot = (operation: 'create' | 'delete', name: string): Entry => {
  const [project, ofProject] = name.split('+', 2);
  return {
    ...{ type: `${operation}_robot`, resource: name, description: `${operation} robot: ${name}` },
    ...(project !== undefined && ofProject !== undefined && { project }),
  };
};

const passwordWords = ', change user password';
const administratorWords = ', add/remove user as system administrator';

const user = (operation: 'create' | 'update' | 'delete', username: string, more = ''): Entry => ({
  type: `${operation}_user`,
  resource: username,
  description: `${operation} user with name: ${username}${more}`,
});

const configuration: Entry = {
  type: 'update_configuration',
  resource: 'configuration',
  description: 'update configuration',
};

/** Robots show their secrets with each request, and are not told of. */
function session({
  type,
  data: { kind, username },
}: {
  readonly type: LoginEvent['type'];
  readonly data: Pick<LoginEvent['data'], 'kind' | 'username'>;
}): Entry | undefined {
  if (kind !== 'user') return undefined;
  const operation = type === 'LoggedOut' ? 'logout' : 'login';
  const entry: Entry = { type: `${operation}_user`, resource: username, description: operation, username };
  return type === 'LoginFailed' ? { ...entry, failed: true } : entry;
}

/** As it would have been told, had it been done. */
function refused({ change, resource, ...of }: RefusedChange, requested: string | undefined): Entry {
  const operation = change.slice(0, change.indexOf('_')) as 'create' | 'update' | 'delete';
  switch (change) {
    case 'create_user':
    case 'update_user':
    case 'delete_user': {
      const words = { updateUserPassword: passwordWords, setUserSysAdmin: administratorWords };
      return user(operation, resource, words[requested as keyof typeof words]);
    }
    case 'create_member':
    case 'update_member':
    case 'delete_member': {
      const { entityType = 'user', project = '', projectId } = of;
      const which = { entityType, entityName: resource, project };
      return member(operation, projectId === undefined ? which : { ...which, projectId });
    }
    case 'update_project': {
      const { type, description } = project('update', { name: resource, projectId: 0 });
      return { type, resource, description, ...(of.projectId !== undefined && { projectId: of.projectId }) };
    }
    case 'update_configuration':
      return configuration;
  }
}
