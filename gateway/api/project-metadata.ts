import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import {
  type MetadataForm,
  metadataForms,
  metadataOfCaches,
  publicForm,
  retentionKey,
} from '../../domain/project/metadata.ts';
import { Refusal } from '../../domain/refusal.ts';
import type { Access } from './access.ts';
import { nothing, shows } from './answer-forms.ts';
import { badRequest } from './faults.ts';
import { operation } from './operation.ts';
import type { ApiPorts } from './ports.ts';
import { metadataOf } from './project-answer.ts';
import { kept } from './project-form.ts';

const settings = z.record(z.string(), z.string()).describe('Settings by their names');

/** Harbor's `projectMetadata` operations. */
export function projectMetadataRoutes(api: FastifyInstance, ports: ApiPorts, access: Access): void {
  const { commands, reached } = ports;
  const tag = 'projectMetadata';
  const all = '/projects/:project_name_or_id/metadatas';
  const one = '/projects/:project_name_or_id/metadatas/:meta_name';

  operation(
    api,
    {
      id: 'listProjectMetadatas',
      tag,
      method: 'GET',
      path: all,
      summary: 'All settings of a project, for administrators of the system and robots that were given this.',
      answer: shows(settings),
    },
    async ({ request }) => {
      const { project } = await access.inProject(request, 'metadata:list');
      return metadataOf(project);
    },
  );

  operation(
    api,
    {
      id: 'addProjectMetadatas',
      tag,
      method: 'POST',
      path: all,
      summary: 'Gives a project a setting that it does not have.',
      body: settings,
      bodyIsOptional: true,
      answer: nothing,
    },
    async ({ request, body }) => {
      const { project, metadata } = await access.inProject(request, 'metadata:create');
      const [[key, written] = ['', ''], ...others] = Object.entries(await body());
      if (key === '' || others.length > 0) throw badRequest('only allow one key/value pair');
      const value = read(key, written);
      const { name, projectId } = project;
      // Every project has it.
      if (key === 'public') throw new Refusal({ kind: 'metadata-exists', project: name, key });
      await reached(await commands.addProjectMetadata({ name, projectId, key, value }, metadata));
    },
  );

  operation(
    api,
    {
      id: 'getProjectMetadata',
      tag,
      method: 'GET',
      path: one,
      summary: 'One setting of a project; nothing where it does not have it.',
      answer: shows(settings),
    },
    async ({ request, path: { meta_name: key } }) => {
      const { project } = await access.inProject(request, 'metadata:read');
      const found = metadataOf(project);
      return Object.hasOwn(found, key) ? { [key]: found[key] ?? '' } : {};
    },
  );

  operation(
    api,
    {
      id: 'updateProjectMetadata',
      tag,
      method: 'PUT',
      path: one,
      summary: 'Changes one setting of a project.',
      body: settings,
      bodyIsOptional: true,
      answer: nothing,
    },
    async ({ request, path: { meta_name: key }, body }) => {
      const { project, metadata } = await access.inProject(request, 'metadata:update');
      const given = await body();
      const written = Object.hasOwn(given, key) ? given[key] : undefined;
      if (written === undefined) throw badRequest(`the body says nothing of the metadata ${key}`);
      const value = read(key, written);
      await change(project, key, value, metadata);
    },
  );

  operation(
    api,
    {
      id: 'deleteProjectMetadata',
      tag,
      method: 'DELETE',
      path: one,
      summary: 'Takes a setting from a project; without `public` it is private.',
      answer: nothing,
    },
    async ({ request, path: { meta_name: key } }) => {
      const { project, metadata } = await access.inProject(request, 'metadata:delete');
      if (key === retentionKey) throw badRequest(ofRetention);
      await change(project, key, null, metadata);
    },
  );

  async function change(
    { name, projectId }: { readonly name: string; readonly projectId: number },
    key: string,
    value: string | null,
    metadata: Parameters<typeof commands.changeProject>[1],
  ): Promise<void> {
    const changed = key === 'public' ? { public: value === 'true' } : { metadata: { [key]: value } };
    await reached(await commands.changeProject({ name, projectId, ...changed }, metadata));
  }
}

const ofRetention = 'the retention policy of a project is not set here';
const forms: ReadonlyMap<string, MetadataForm> = new Map([
  ['public', publicForm],
  ...Object.entries(metadataForms),
]);

/** @throws RequestRefused 400 for what is no setting, and for a value that it cannot have */
function read(key: string, value: string): string {
  if (key === retentionKey) throw badRequest(ofRetention);
  if (metadataOfCaches.has(key))
    throw badRequest(`the metadata ${key} is for projects that are caches of another registry`);
  const formOf = forms.get(key);
  if (formOf === undefined) throw badRequest(`invalid metadata: ${JSON.stringify(key.slice(0, 100))}`);
  return kept(key, value, formOf);
}
