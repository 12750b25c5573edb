import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { ListedAccessory } from '../../projections/repositories/accessories.ts';
import type { ListedArtifact, ListedChild } from '../../projections/repositories/artifacts.ts';
import { type TagPlace, type TagRow, tagOrders } from '../../projections/repositories/tag-rows.ts';
import type { Access } from './access.ts';
import { listsAfter, time } from './answer-forms.ts';
import { findLabels } from './artifact-form.ts';
import { badRequest, unprocessable } from './faults.ts';
import { type IsImmutable, immutableAmong } from './immutability.ts';
import { repositoryAt, repositoryPath } from './in-repository.ts';
import { labelAnswer, shownLabel } from './label-form.ts';
import { operation } from './operation.ts';
import { limit, limitOr, text } from './parameter-forms.ts';
import { cursorOf, findTexts } from './place-cursor.ts';
import type { ApiPorts } from './ports.ts';

const row = z
  .object({
    tag: z.string(),
    digest: z.string(),
    type: z.string().describe('Harbor’s type of the artifact: IMAGE, CHART, …'),
    media_type: z.string().describe('Of the manifest'),
    platforms: z.array(z.string()).describe('What it runs on: `linux/arm64/v8`'),
    size: z.int().describe('Bytes of all that it takes to pull it'),
    signatures: z.int().describe('How many signatures of it there are'),
    has_sbom: z.boolean(),
    pushed: z.object({
      at: time.describe('When it came to point where it does'),
      by: z.string().nullable().describe('`user:name` or `robot:name`, for who has logged in'),
    }),
    pulled: z.object({ at: time }).nullable().describe('When it was pulled last by its name, null for never'),
    labels: z.array(labelAnswer).describe('Those of the artifact'),
    immutable: z.boolean().describe('Whether a rule keeps it from being moved or deleted'),
    moves: z.int().describe('How often it has moved since it was assigned'),
  })
  .meta({ id: 'TagRow' });

/** How many children or accessories of one artifact are looked at for its row. */
const maxParts = 100;

/** The tags of a repository as rows, with all that a list of them shows; Harbor lists artifacts. */
export function tagRowRoutes(api: FastifyInstance, ports: ApiPorts, access: Access): void {
  const { contents } = ports;

  operation(
    api,
    {
      id: 'listTagRows',
      tag: 'artifact',
      method: 'GET',
      path: `${repositoryPath}/tags`,
      summary:
        'The tags of a repository with what they point at, as versions are sorted unless asked otherwise.',
      query: {
        q: text.meta({ parameter: { type: 'string', description: 'A part of the tag' } }),
        sort: text.meta({
          parameter: { type: 'string', enum: tagOrders.flatMap((order) => [order, `-${order}`]) },
        }),
        after: text.meta({
          parameter: { type: 'string', description: 'Where to go on, as the Link of an answer says' },
        }),
        limit,
      },
      answer: listsAfter(row),
    },
    async ({ request, path, query }) => {
      const { principal, project } = await access.inProject(request, 'tag:list');
      const [order, descending] = orderIn(query.sort);
      const repository = await repositoryAt(ports, path);
      const size = limitOr(query.limit);
      const rows = await contents.listTagRows({
        ...{ repository: repository.name, order, descending, contains: query.q },
        after: query.after === undefined ? undefined : placeIn(query.after, order),
        // One more tells whether there are more.
        limit: size + 1,
      });
      const page = rows.slice(0, size);
      const last = page.at(-1);
      const names = new Map([[repository.name, page.map(({ tag }) => tag)]]);
      const isImmutable = await immutableAmong(ports.immutability, project, names);
      return {
        rows: await shownRows(page, isImmutable, principal.kind !== 'anonymous'),
        // How many have the part of a name, nobody has counted.
        total: query.q === undefined ? repository.tagCount : undefined,
        next:
          rows.length > size && last !== undefined ? cursorOf([last.place.key, last.place.tag]) : undefined,
      };
    },
  );

  /** What the tags point at is looked up for all of them at once. */
  async function shownRows(rows: readonly TagRow[], isImmutable: IsImmutable, isKnown: boolean) {
    const artifacts = await contents.findArtifacts([...new Set(rows.map(({ artifactId }) => artifactId))]);
    const [children, accessories, labels] = await Promise.all([
      contents.findChildrenOf(artifacts, maxParts),
      contents.findAccessoriesOf(artifacts, maxParts),
      findLabels(ports.labels, artifacts),
    ]);
    const byId = new Map(artifacts.map((artifact) => [artifact.id, artifact]));
    return rows.flatMap(({ tag, artifactId, pushedAt, pulledAt, pushedBy, moves }) => {
      const artifact = byId.get(artifactId);
      // Deleted since the page was found.
      if (artifact === undefined) return [];
      const attached = accessories.get(artifactId) ?? [];
      return [
        {
          tag,
          digest: artifact.digest,
          type: artifact.type,
          media_type: artifact.manifestMediaType,
          platforms: platformsOf(artifact, children.get(artifactId) ?? []),
          size: artifact.size,
          signatures: attached.filter(isSignature).length,
          has_sbom: attached.some(({ type }) => type === 'sbom.harbor'),
          pushed: { at: pushedAt, by: isKnown ? pushedBy : null },
          pulled: pulledAt && { at: pulledAt },
          labels: (labels.get(`${artifact.repository}@${artifact.digest}`) ?? []).map(shownLabel),
          immutable: isImmutable(artifact.repository, tag),
          moves,
        },
      ];
    });
  }
}

const isSignature = ({ type }: ListedAccessory): boolean => type.startsWith('signature.');

type Platform = NonNullable<ListedChild['platform']>;

function platformsOf({ attributes }: ListedArtifact, children: readonly ListedChild[]): string[] {
  const named = [attributes as Platform, ...children.map(({ platform = {} }) => platform)];
  return [...new Set(named.map(nameOf).filter((name) => name !== undefined))];
}

/** Undefined for what runs on nothing, as what a build says of itself. */
function nameOf({ os, architecture, variant }: Platform): string | undefined {
  const parts = [os, architecture, variant].filter(
    (part): part is string => typeof part === 'string' && part !== '',
  );
  return parts.length < 2 || parts.includes('unknown') ? undefined : parts.join('/');
}

function orderIn(sort = 'name'): readonly [(typeof tagOrders)[number], boolean] {
  const order = tagOrders.find((each) => each === sort.replace(/^-/, ''));
  if (order === undefined)
    throw unprocessable(
      `sort in query should be one of ${tagOrders.join(', ')}, with a minus sign for descending order`,
    );
  return [order, sort.startsWith('-')];
}

/** No tag is longer. */
const maxTag = 128;
/** What a key of each order looks like; the database would refuse others in its own words. */
const microseconds = /^\d{1,17}$/;
const keyForms = { name: /^[^\0]*$/, pushed: microseconds, pulled: microseconds, size: /^\d{1,18}$/ };

/** @throws RequestRefused 400 for what no answer has given. */
function placeIn(cursor: string, order: keyof typeof keyForms): TagPlace {
  const [key, tag] = findTexts(cursor, 2) ?? [];
  if (key === undefined || tag === undefined || !keyForms[order].test(key) || tag.length > maxTag)
    throw badRequest('after in query is what the Link of an answer with the same order says');
  return { key, tag };
}
