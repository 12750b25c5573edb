import { z } from 'zod';
import {
  type MetadataForm,
  metadataForms,
  metadataOfCaches,
  publicForm,
  retentionKey,
} from '../../domain/project/metadata.ts';
import { cveAllowlistForm } from './cve-allowlist.ts';
import { badRequest } from './faults.ts';

const setting = z.string().nullish();

/** Harbor's `ProjectReq`. */
export const projectForm = z.object({
  project_name: z.string().nullish(),
  public: z.boolean().nullish(),
  metadata: z
    .object({
      public: setting,
      [retentionKey]: setting,
      ...Object.fromEntries(
        [...Object.keys(metadataForms), ...metadataOfCaches].map((key) => [key, setting]),
      ),
    })
    .nullish(),
  cve_allowlist: cveAllowlistForm.nullish(),
  storage_limit: z.int().nullish(),
  registry_id: z.int().nullish(),
});
export type ProjectForm = z.output<typeof projectForm>;

/**
 * The settings that the form changes, in the form in which they are kept, without those of caches, which Harbor drops
 * for other projects. @throws RequestRefused 400
 */
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

/** The number of a retention policy, null where the form names none. */
export const retentionIn = (form: ProjectForm): string | null =>
  (form.metadata as Readonly<Record<string, string | null | undefined>> | null | undefined)?.[retentionKey] ||
  null;

/** The value in the form in which the setting is kept. @throws RequestRefused 400 */
export function kept(key: string, value: string, formOf: MetadataForm): string {
  const form = formOf(value);
  if (form === undefined) throw badRequest(`invalid value of the metadata ${key}: ${JSON.stringify(value)}`);
  return form;
}

/** Harbor's: a pebibyte. */
const maxStorageLimit = 2 ** 50;

/** In bytes; null for what the installation gives a new project. @throws RequestRefused 400 */
export function readStorageLimit(written: number | null | undefined): number | null {
  if (written === undefined || written === null || written === 0) return null;
  if (written !== -1 && (written < 1 || written > maxStorageLimit))
    throw badRequest(`invalid storage limit ${written}: it is -1 for none, or 1 to ${maxStorageLimit} bytes`);
  return written;
}
