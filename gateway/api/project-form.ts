import { z } from 'zod';
import { metadataForms, publicForm } from '../../domain/project/metadata.ts';
import type { Project } from '../../projections/projects/queries.ts';
import { badRequest } from './faults.ts';

const setting = z.string().nullish();

/** Harbor's `ProjectReq`. */
export const projectForm = z.object({
  project_name: z.string().nullish(),
  public: z.boolean().nullish(),
  metadata: z
    .object({
      public: setting,
      retention_id: setting,
      ...Object.fromEntries(Object.keys(metadataForms).map((key) => [key, setting])),
    })
    .nullish(),
  cve_allowlist: z
    .object({
      project_id: z.int().nullish(),
      items: z.array(z.object({ cve_id: z.string().nullish() })).nullish(),
    })
    .nullish(),
  storage_limit: z.int().nullish(),
  registry_id: z.int().nullish(),
});
export type ProjectForm = z.output<typeof projectForm>;

/** The settings that the form changes, in the form in which they are kept. @throws RequestRefused 400 */
export function settingsOf(form: ProjectForm): {
  readonly public: boolean | undefined;
  readonly metadata: Readonly<Record<string, string>>;
} {
  const given = (form.metadata ?? {}) as Readonly<Record<string, string | null | undefined>>;
  const metadata: Record<string, string> = {};
  for (const [key, formOf] of Object.entries(metadataForms)) {
    const value = given[key];
    if (value === undefined || value === null) continue;
    metadata[key] = kept(key, value, formOf);
  }
  const written = given.public ?? undefined;
  // The older field counts where the newer one says nothing.
  const isPublic =
    written === undefined ? (form.public ?? undefined) : kept('public', written, publicForm) === 'true';
  return { public: isPublic, metadata };
}

function kept(key: string, value: string, formOf: (value: string) => string | undefined): string {
  const form = formOf(value);
  if (form === undefined) throw badRequest(`invalid value of the metadata ${key}: ${JSON.stringify(value)}`);
  return form;
}

/** What is asked for and cannot be given yet must not seem to be. @throws RequestRefused 400 */
export function refuseUnsupported({ cve_allowlist, registry_id }: ProjectForm, project?: Project): void {
  if (registry_id !== undefined && registry_id !== null)
    throw badRequest(`there is no registry ${registry_id} that a project could be a cache of`);
  if (project === undefined) return;
  const { project_id, items } = cve_allowlist ?? {};
  if (typeof project_id === 'number' && project_id !== 0 && project_id !== project.projectId)
    throw badRequest('the CVE allowlist is that of another project');
  if (items && items.length > 0) throw badRequest('a project cannot allow CVEs yet');
}
