import { z } from 'zod';
import { additionsOf } from '../../domain/artifact/addition.ts';
import { mediaTypes } from '../../domain/artifact/manifest.ts';
import type { Label } from '../../projections/labels/queries.ts';
import type { ListedAccessory } from '../../projections/repositories/accessories.ts';
import type { ListedArtifact, ListedChild } from '../../projections/repositories/artifacts.ts';
import type { ListedTag } from '../../projections/repositories/tags.ts';
import { additionLinks } from './additions/links.ts';
import { time } from './answer-forms.ts';
import { iconOf } from './icons.ts';
import { type ImmutabilityPorts, type IsImmutable, immutableAmong, notAsked } from './immutability.ts';
import { labelAnswer, shownLabel } from './label-form.ts';
import type { LabelPorts } from './labels.ts';
import { flag } from './parameter-forms.ts';
import type { RepositoryPorts } from './repository-ports.ts';

/** How much of what hangs on an artifact is shown with it; its own lists have all of it. */
const maxTags = 1000;
const maxChildren = 1000;
const maxAccessories = 100;

/** Of what has not happened. */
export const never = '0001-01-01T00:00:00.000Z';

/** Harbor's `Tag`. */
export const tagAnswer = z
  .object({
    id: z.int(),
    repository_id: z.int(),
    artifact_id: z.int(),
    name: z.string(),
    push_time: time,
    pull_time: time,
    immutable: z.boolean(),
  })
  .meta({ id: 'Tag' });

/** Harbor's `Accessory`. */
export const accessoryAnswer = z
  .object({
    id: z.int(),
    artifact_id: z.int(),
    subject_artifact_id: z.int().optional(),
    subject_artifact_digest: z.string(),
    subject_artifact_repo: z.string(),
    size: z.int(),
    digest: z.string(),
    type: z.string(),
    icon: z.string(),
    creation_time: time,
  })
  .meta({ id: 'Accessory' });

const reference = z
  .object({
    parent_id: z.int(),
    child_id: z.int().optional().describe('Not there where the repository does not have it'),
    child_digest: z.string(),
    platform: z
      .object({
        architecture: z.string(),
        os: z.string(),
        'os.version': z.string(),
        'os.features': z.array(z.string()),
        variant: z.string(),
      })
      .partial()
      .optional(),
    annotations: z.record(z.string(), z.string()).optional(),
    urls: z.array(z.string()).nullable(),
  })
  .meta({ id: 'Reference' });

/** Harbor's `Artifact`. */
export const artifactAnswer = z
  .object({
    id: z.int(),
    type: z.string(),
    media_type: z.string(),
    manifest_media_type: z.string(),
    artifact_type: z.string(),
    project_id: z.int(),
    repository_id: z.int(),
    repository_name: z.string(),
    digest: z.string(),
    size: z.int().describe('Bytes of all that it takes to pull it'),
    icon: z.string(),
    push_time: time,
    pull_time: time,
    extra_attrs: z.record(z.string(), z.unknown()),
    annotations: z.record(z.string(), z.string()).optional(),
    references: z.array(reference).nullable(),
    tags: z.array(tagAnswer).nullable(),
    labels: z.array(labelAnswer).nullable(),
    accessories: z.array(accessoryAnswer).nullable(),
    addition_links: z
      .record(z.string(), z.object({ href: z.string(), absolute: z.boolean() }))
      .optional()
      .describe('What else can be read of it, by name'),
  })
  .meta({ id: 'Artifact' });
type ArtifactAnswer = z.output<typeof artifactAnswer>;

/** What can be asked for with an artifact. Scans, and what a subject has of its own subjects, are not there yet. */
export const withFlags = {
  with_tag: flag,
  with_label: flag,
  with_scan_overview: flag,
  with_sbom_overview: flag,
  with_immutable_status: flag,
  with_accessory: flag,
  with_inherited_accessory: flag,
  with_signature: flag,
} as const;
export type With = { readonly [Name in keyof typeof withFlags]: boolean | undefined };

interface ArtifactPorts extends Pick<RepositoryPorts, 'contents'> {
  readonly labels: LabelPorts;
  readonly immutability: ImmutabilityPorts;
}

/** How the artifacts of a project are shown: what hangs on each is looked up for all of them at once. */
export async function shownArtifacts(
  { contents, labels, immutability }: ArtifactPorts,
  project: { readonly name: string; readonly projectId: number },
  artifacts: readonly ListedArtifact[],
  asked: With,
) {
  const indexes = artifacts.filter(({ manifestMediaType }) => isIndex(manifestMediaType));
  const [repositoryIds, children, tags, accessories, labelsByName] = await Promise.all([
    contents.findRepositoryIds([...new Set(artifacts.map(({ repository }) => repository))]),
    contents.findChildrenOf(indexes, maxChildren),
    asked.with_tag === false ? noTags : contents.findTagsOf(artifacts, maxTags),
    asked.with_accessory === true ? contents.findAccessoriesOf(artifacts, maxAccessories) : noAccessories,
    asked.with_label === true ? findLabels(labels, artifacts) : noLabels,
  ]);
  const isImmutable =
    asked.with_immutable_status === true
      ? await immutableAmong(immutability, project, namesOf(artifacts, tags))
      : notAsked;
  return artifacts.map((artifact) => {
    const { id, repository, annotations } = artifact;
    const repositoryId = repositoryIds.get(repository) ?? 0;
    return {
      id,
      type: artifact.type,
      media_type: artifact.mediaType,
      manifest_media_type: artifact.manifestMediaType,
      artifact_type: artifact.artifactType,
      project_id: project.projectId,
      repository_id: repositoryId,
      repository_name: repository,
      digest: artifact.digest,
      size: artifact.size,
      icon: iconOf(artifact.type),
      push_time: artifact.pushedAt,
      pull_time: artifact.pulledAt ?? never,
      extra_attrs: artifact.attributes,
      ...(Object.keys(annotations).length > 0 && { annotations }),
      references: orNull(children.get(id)?.map((child) => shownReference(id, child))),
      tags: orNull(tags.get(id)?.map((tag) => shownTag(repositoryId, artifact, tag, isImmutable))),
      labels: orNull(labelsByName.get(`${repository}@${artifact.digest}`)?.map(shownLabel)),
      accessories: orNull(accessories.get(id)?.map((accessory) => shownAccessory(artifact, accessory))),
      ...linksOf(artifact),
    };
  });
}

/** The names of all their tags, by repository. */
function namesOf(
  artifacts: readonly ListedArtifact[],
  tags: ReadonlyMap<number, readonly ListedTag[]>,
): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, string[]>();
  for (const { id, repository } of artifacts) {
    const here = names.get(repository) ?? [];
    for (const { name } of tags.get(id) ?? []) here.push(name);
    names.set(repository, here);
  }
  return names;
}

const isIndex = (mediaType: string): boolean =>
  mediaType === mediaTypes.ociIndex || mediaType === mediaTypes.dockerList;

const noTags: ReadonlyMap<number, readonly ListedTag[]> = new Map();
const noAccessories: ReadonlyMap<number, readonly ListedAccessory[]> = new Map();
const noLabels: ReadonlyMap<string, readonly Label[]> = new Map();

/** Not those of an artifact that was deleted and pushed again: an id is the position of the push. */
export async function findLabels(labels: LabelPorts, artifacts: readonly ListedArtifact[]) {
  await labels.reached(BigInt(Math.max(0, ...artifacts.map(({ id }) => id))));
  return labels.labelsOf(artifacts);
}

function linksOf(artifact: ListedArtifact) {
  const additions = additionsOf(artifact);
  return additions.length === 0 ? {} : { addition_links: additionLinks(artifact, additions) };
}

/** Harbor has null for an empty list within an object. */
const orNull = <Item>(items: readonly Item[] | undefined): readonly Item[] | null =>
  items === undefined || items.length === 0 ? null : items;

function shownReference(
  parent: number,
  { id, digest, platform, annotations, urls }: ListedChild,
): NonNullable<ArtifactAnswer['references']>[number] {
  return {
    parent_id: parent,
    ...(id !== undefined && { child_id: id }),
    child_digest: digest,
    ...(platform !== undefined && { platform }),
    ...(annotations !== undefined && { annotations }),
    urls: urls ?? null,
  };
}

export const shownTag = (
  repositoryId: number,
  { id, repository }: Pick<ListedArtifact, 'id' | 'repository'>,
  tag: ListedTag,
  isImmutable: IsImmutable,
) => ({
  id: tag.id,
  repository_id: repositoryId,
  artifact_id: id,
  name: tag.name,
  push_time: tag.pushedAt,
  pull_time: tag.pulledAt ?? never,
  immutable: isImmutable(repository, tag.name),
});

export const shownAccessory = (
  subject: Pick<ListedArtifact, 'id' | 'digest' | 'repository'>,
  { id, digest, size, type, pushedAt }: ListedAccessory,
) => ({
  id,
  artifact_id: id,
  subject_artifact_id: subject.id,
  subject_artifact_digest: subject.digest,
  subject_artifact_repo: subject.repository,
  size,
  digest,
  type,
  icon: iconOf(type),
  creation_time: pushedAt,
});
