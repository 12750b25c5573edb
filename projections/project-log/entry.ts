import type { ArtifactEvent } from '../../domain/artifact/events.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import type { MemberEvent } from '../../domain/member/events.ts';
import type { ProjectEvent } from '../../domain/project/events.ts';
import type { RepositoryEvent } from '../../domain/repository/events.ts';
import { projectOf } from '../../domain/repository.ts';
import type { RobotEvent } from '../../domain/robot/events.ts';
import type { TagEvent } from '../../domain/tag/events.ts';

export type LoggedEvent =
  | Extract<ArtifactEvent, { type: 'ManifestPushed' | 'ManifestDeleted' }>
  | TagEvent
  | Extract<RepositoryEvent, { type: 'RepositoryDeleted' }>
  | ProjectEvent
  | MemberEvent
  | Extract<RobotEvent, { type: 'RobotCreated' | 'RobotDeleted' }>;

/** What the log of a project says of an event, in the words of Harbor's audit log. */
export interface Entry {
  readonly project: string;
  readonly operation: 'create' | 'update' | 'delete';
  readonly resourceType: 'artifact' | 'tag' | 'repository' | 'project' | 'member' | 'robot';
  readonly resource: string;
  readonly description: string;
}

/** What goes with something greater is told with that alone. */
const partOf: Readonly<Record<string, readonly LoggedEvent['type'][]>> = {
  deleteArtifact: ['TagRemoved'],
  deleteRepository: ['TagRemoved', 'ManifestDeleted'],
  deleteProject: ['TagRemoved', 'ManifestDeleted', 'MemberRemoved', 'RobotDeleted'],
};

/** Undefined for what nobody did: what the registry removes by itself, and parts of a greater deletion. */
export function entryOf(event: RecordedEvent<LoggedEvent>): Entry | undefined {
  const { actor, operation } = event.metadata;
  if (actor === 'system' || (operation !== undefined && partOf[operation]?.includes(event.type)))
    return undefined;
  switch (event.type) {
    case 'ManifestPushed':
    case 'ManifestDeleted': {
      const { repository, digest } = event.data;
      const isPush = event.type === 'ManifestPushed';
      return {
        ...{ project: projectOf(repository), operation: isPush ? 'create' : 'delete' },
        ...{ resourceType: 'artifact', resource: `${repository}@${digest}` },
        description: `${isPush ? 'push' : 'delete'} artifact: ${repository}@${digest}`,
      };
    }
    case 'TagAssigned':
    case 'TagMoved': {
      const { repository, tag, digest } = event.data;
      const at = { project: projectOf(repository), resource: `${repository}:${tag}` };
      return operation === 'createTag'
        ? { ...at, operation: 'create', resourceType: 'tag', description: `create tag: ${repository}:${tag}` }
        : {
            ...{ ...at, operation: 'create', resourceType: 'artifact' },
            description: `push artifact: ${repository}@${digest}`,
          };
    }
    case 'TagRemoved': {
      const name = `${event.data.repository}:${event.data.tag}`;
      return {
        ...{ project: projectOf(name), operation: 'delete', resourceType: 'tag', resource: name },
        description: `delete tag: ${name}`,
      };
    }
    case 'RepositoryDeleted': {
      const { repository } = event.data;
      return {
        ...{ project: projectOf(repository), operation: 'delete', resourceType: 'repository' },
        ...{ resource: repository, description: `delete repository: ${repository}` },
      };
    }
    case 'ProjectCreated':
      return ofProject('create', event.data.name);
    case 'ProjectMetadataChanged':
    case 'ProjectCveAllowlistChanged':
      return ofProject('update', event.data.name);
    case 'ProjectDeleted':
      return ofProject('delete', event.data.name);
    case 'MemberAdded':
      return ofMember('create', 'in', event.data);
    case 'MemberRoleChanged':
      return ofMember('update', 'in', event.data);
    case 'MemberRemoved':
      return ofMember('delete', 'from', event.data);
    case 'RobotCreated':
      return ofRobot('create', event.data.name);
    case 'RobotDeleted':
      return ofRobot('delete', event.data.name);
  }
}

const ofProject = (operation: Entry['operation'], name: string): Entry => ({
  ...{ project: name, operation, resourceType: 'project', resource: name },
  description: `${operation} project: ${name}`,
});

const ofMember = (
  operation: Entry['operation'],
  where: 'in' | 'from',
  {
    project,
    entityType,
    entityName,
  }: { readonly project: string; readonly entityType: string; readonly entityName: string },
): Entry => ({
  ...{ project, operation, resourceType: 'member', resource: entityName },
  description: `${operation} ${entityType} member ${entityName} ${where} project ${project}`,
});

/** Undefined for a robot of the system. */
function ofRobot(operation: Entry['operation'], name: string): Entry | undefined {
  const [project, robot] = name.split('+', 2);
  if (project === undefined || robot === undefined) return undefined;
  return {
    ...{ project, operation, resourceType: 'robot', resource: name },
    description: `${operation} robot: ${name}`,
  };
}
