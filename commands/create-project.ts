import type { Metadata } from '../domain/event.ts';
import { memberDecider } from '../domain/member/decider.ts';
import { memberStream } from '../domain/member/events.ts';
import { projectDecider } from '../domain/project/decider.ts';
import { projectStream } from '../domain/project/events.ts';
import type { AllocateId } from './allocate-id.ts';
import { decision, type Recorder } from './record.ts';

export interface CreateProject {
  readonly name: string;
  readonly public: boolean;
  readonly metadata: Readonly<Record<string, string>>;
  /** In bytes, -1 for none; null where nobody says, which is none. */
  readonly storageLimit: number | null;
  /** Becomes its first member, with the role projectAdmin. */
  readonly owner: { readonly username: string; readonly userId: number };
}

export interface CreateProjectPorts {
  readonly record: Recorder;
  readonly allocateId: AllocateId;
  /** Takes away all that is left under a name that was a project's, as long as it is nobody's. */
  clearVacant(project: string, metadata: Metadata): Promise<void>;
}

/** @throws Refusal `project-exists` */
export const createProject =
  ({ record, allocateId, clearVacant }: CreateProjectPorts) =>
  async (
    project: CreateProject,
    metadata: Metadata,
  ): Promise<{ readonly projectId: number; readonly position: bigint }> => {
    const { actor: _, accessToken: __, reason: ___, ...request } = metadata;
    // What is left of another project is nothing that its successor's owner has done away with.
    await clearVacant(project.name, { ...request, actor: 'system' });
    const [projectId, memberId] = [
      await allocateId('project', metadata),
      await allocateId('member', metadata),
    ];
    const { position } = await record(metadata, ...projectWithOwner({ ...project, projectId, memberId }));
    return { projectId, position };
  };

/** The decisions that make a project and its first member. */
export const projectWithOwner = ({
  owner,
  memberId,
  ...project
}: CreateProject & { readonly projectId: number; readonly memberId: number }) => {
  const { name, projectId } = project;
  const entity = { entityType: 'user', entityId: owner.userId } as const;
  return [
    decision(projectStream(name), projectDecider, { do: 'create', ...project, owner: owner.username }),
    decision(memberStream(projectId, entity), memberDecider, {
      do: 'add',
      memberId,
      projectId,
      project: name,
      ...entity,
      entityName: owner.username,
      role: 'projectAdmin',
    }),
  ] as const;
};
