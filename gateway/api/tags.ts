import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { Refusal } from '../../domain/refusal.ts';
import { tagName } from '../../domain/repository.ts';
import type { Access } from './access.ts';
import { lists, nothing, withStatus } from './answer-forms.ts';
import { shownTag, tagAnswer } from './artifact-form.ts';
import { badRequest, conflict, notFound } from './faults.ts';
import { immutableAmong, notAsked } from './immutability.ts';
import { artifactAt, artifactPath, artifactUnknown } from './in-repository.ts';
import { operation } from './operation.ts';
import { flag } from './parameter-forms.ts';
import type { ApiPorts } from './ports.ts';

/** Harbor's `NewTag`, which is the whole of a tag there: what else it has counts for nothing. */
const newTag = z.object({ name: z.string().nullish() });

/** Harbor's `artifact` operations on tags. */
export function tagRoutes(api: FastifyInstance, ports: ApiPorts, access: Access): void {
  const { contents } = ports;

  operation(
    api,
    {
      id: 'listTags',
      tag: 'artifact',
      method: 'GET',
      path: `${artifactPath}/tags`,
      summary: 'The tags of an artifact, those pushed last first.',
      query: { with_signature: flag, with_immutable_status: flag },
      answer: lists(tagAnswer),
    },
    async ({ request, path, query, listing }) => {
      const { project } = await access.inProject(request, 'tag:list');
      const artifact = await artifactAt(ports, path);
      const [ids, { rows, total }] = await Promise.all([
        contents.findRepositoryIds([artifact.repository]),
        contents.listTagsOf(artifact, listing),
      ]);
      const names = new Map([[artifact.repository, rows.map(({ name }) => name)]]);
      const isImmutable =
        query.with_immutable_status === true
          ? await immutableAmong(ports.immutability, project, names)
          : notAsked;
      const repositoryId = ids.get(artifact.repository) ?? 0;
      return { rows: rows.map((tag) => shownTag(repositoryId, artifact, tag, isImmutable)), total };
    },
  );

  operation(
    api,
    {
      id: 'createTag',
      tag: 'artifact',
      method: 'POST',
      path: `${artifactPath}/tags`,
      summary: 'Gives an artifact a tag that its repository does not have yet.',
      body: newTag,
      answer: withStatus(201, nothing, 'Created'),
    },
    async ({ request, path, body }) => {
      const { metadata } = await access.inProject(request, 'tag:create');
      const { name } = await body();
      if (!tagName.safeParse(name).success || !name) throw badRequest(`invalid tag name: ${name ?? ''}`);
      const { repository, digest } = await artifactAt(ports, path);
      const isThere = await contents
        .createTag({ repository, digest, tag: name }, metadata)
        .catch((error: unknown) => {
          if (error instanceof Refusal && error.reason.kind === 'tag-condition-failed')
            throw conflict(`tag ${name} already exists in the repository ${repository}`);
          throw error;
        });
      if (!isThere) throw artifactUnknown(repository, path.reference);
    },
  );

  operation(
    api,
    {
      id: 'deleteTag',
      tag: 'artifact',
      method: 'DELETE',
      path: `${artifactPath}/tags/:tag_name`,
      summary: 'Takes a tag from an artifact, which stays.',
      answer: nothing,
    },
    async ({ request, path }) => {
      const { metadata } = await access.inProject(request, 'tag:delete');
      const { id, repository, digest } = await artifactAt(ports, path);
      const tag = path.tag_name;
      const tagged = tagName.safeParse(tag).success
        ? await contents.findArtifact(repository, { kind: 'tag', tag })
        : undefined;
      if (tagged?.id !== id) throw notFound(`tag ${tag} attached to artifact ${id} not found`);
      await contents.deleteTag({ repository, tag, digest }, metadata);
    },
  );
}
