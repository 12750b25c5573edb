import { z } from 'zod';
import type { Role } from '../../domain/access/role.ts';
import { metadataForms, metadataOfCaches, retentionKey, scannerKey } from '../../domain/project/metadata.ts';
import type { Project } from '../../projections/projects/queries.ts';
import { time } from './answer-forms.ts';
import { cveAllowlistAnswer, shownCveAllowlist } from './cve-allowlist.ts';
import type { ApiPorts } from './ports.ts';
import { highestRole, roleIds } from './role-ids.ts';

/** Harbor's `ProjectMetadata`. */
const metadataAnswer = z
  .object({
    public: z.enum(['true', 'false']),
    ...Object.fromEntries(
      [...Object.keys(metadataForms), ...metadataOfCaches, retentionKey].map((key) => [
        key,
        z.string().optional(),
      ]),
    ),
  })
  .meta({ id: 'ProjectMetadata' });

/** Harbor's `Project`. */
export const projectAnswer = z
  .object({
    project_id: z.int(),
    name: z.string(),
    owner_id: z.int().describe('0 for a user who is gone'),
    owner_name: z.string().optional().describe('In detail alone'),
    creation_time: time,
    update_time: time,
    deleted: z.boolean(),
    togglable: z.boolean().describe('Whether the asker is an administrator of it'),
    current_user_role_id: z.int().describe('The mightiest role of the asker, 0 for none'),
    current_user_role_ids: z.array(z.int()),
    repo_count: z.int(),
    metadata: metadataAnswer.optional().describe('In detail alone'),
    cve_allowlist: cveAllowlistAnswer.optional().describe('In detail alone'),
  })
  .meta({ id: 'Project' });

/** All settings of a project, as the management API names them. */
export const metadataOf = (project: Project): Readonly<Record<string, string>> & { public: string } => ({
  ...project.metadata,
  public: String(project.public),
});

/** How projects are shown, with what is counted and looked up in one go. */
export async function shownProjects(
  { queries }: Pick<ApiPorts, 'queries'>,
  projects: readonly Project[],
  rolesIn: (project: Project) => readonly Role[],
  inDetail: boolean,
) {
  const [counts, owners] = await Promise.all([
    queries.countRepositories(projects.map(({ name }) => name)),
    queries.userIdsOf([...new Set(projects.map(({ owner }) => owner))]),
  ]);
  return projects.map((project) => {
    const { name, projectId, owner, createdAt, updatedAt } = project;
    const roles = rolesIn(project);
    return {
      project_id: projectId,
      name,
      owner_id: owners.get(owner) ?? 0,
      creation_time: createdAt,
      update_time: updatedAt,
      deleted: false,
      togglable: roles.includes('projectAdmin'),
      current_user_role_id: highestRole(roles),
      current_user_role_ids: roles.map((role) => roleIds[role]),
      repo_count: counts.get(name) ?? 0,
      ...(inDetail && detailsOf(project)),
    };
  });
}

function detailsOf(project: Project) {
  const { projectId, owner, cveAllowlist, createdAt } = project;
  const { [scannerKey]: _, public: isPublic, ...metadata } = metadataOf(project);
  return {
    owner_name: owner,
    metadata: { ...metadata, public: isPublic === 'true' ? ('true' as const) : ('false' as const) },
    cve_allowlist: shownCveAllowlist(projectId, cveAllowlist, createdAt, new Date(cveAllowlist.updatedAt)),
  };
}
