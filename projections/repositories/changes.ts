import { accessoryOf, isSimpleSigning, signedBy } from '../../domain/artifact/accessory.ts';
import type { ArtifactEvent, PushedManifest } from '../../domain/artifact/events.ts';
import { kindOf, sizeOf } from '../../domain/artifact/type.ts';
import type { RecordedEvent } from '../../domain/event.ts';
import type { RepositoryEvent } from '../../domain/repository/events.ts';
import { projectOf } from '../../domain/repository.ts';
import type { TagEvent } from '../../domain/tag/events.ts';
import { naturalKey } from '../../domain/tag/natural-order.ts';
import type { Change } from '../../infra/database/projection.ts';

/** What happens inside of repositories. */
export type ContentEvent =
  | Extract<ArtifactEvent, { type: 'ManifestPushed' | 'ManifestDeleted' }>
  | TagEvent
  | Extract<RepositoryEvent, { type: 'RepositoryDescribed' }>;

export interface TagChange {
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
  readonly removed: boolean;
  /** Null for one that keeps the number that it has. */
  readonly id: string | null;
  readonly position: string;
  readonly at: Date;
  /** Who made it point there, as events name him. */
  readonly by: string;
  /** What to sort it by; see `naturalKey`. */
  readonly natural: string;
  /** How often it moved, in all where it was assigned among these events, else since what was there before. */
  readonly moves: number;
}

interface ManifestChange {
  readonly repository: string;
  readonly digest: string;
  /** Whether what was there before goes. */
  readonly removed: boolean;
  /** What is there from now on, unless it was before and stays. */
  readonly row?: object;
  readonly children: readonly object[];
}

/** More of this than a list can show is left out. Characters of JSON. */
const maxNotes = { ofManifest: 32 * 1024, ofChild: 2048 } as const;

/** What the events do to each table, whatever was there before. */
export function changesBy(events: readonly RecordedEvent<ContentEvent>[]) {
  const repositories = new Map<string, { readonly id: string; readonly at: Date }>();
  const described = new Map<string, object>();
  const manifests = new Map<string, ManifestChange>();
  const tags = new Map<string, TagChange>();
  const signatures: Change[] = [];
  /** What an index names, or has named; what a tag points at is known by the tags. */
  const affected = new Map<string, { readonly repository: string; readonly digest: string }>();
  const touched = new Map<string, Date>();

  const affect = (repository: string, digest: string) =>
    affected.set(`${repository}@${digest}`, { repository, digest });

  for (const event of events) {
    const { recordedAt: at } = event;
    const position = String(event.position);
    const { repository } = event.data;
    touched.set(repository, at);
    switch (event.type) {
      case 'ManifestPushed': {
        const { digest, manifests: children } = event.data;
        if (!repositories.has(repository)) repositories.set(repository, { id: position, at });
        const name = `${repository}@${digest}`;
        const before = manifests.get(name);
        manifests.set(name, {
          repository,
          digest,
          removed: before?.removed ?? false,
          // Of two pushes without a deletion between them the first one counts.
          row: before?.row ?? rowOf(event.data, position, at),
          children: childrenOf(event.data),
        });
        for (const child of children) affect(repository, child.digest);
        break;
      }
      case 'ManifestDeleted': {
        const { digest, manifests: children } = event.data;
        manifests.set(`${repository}@${digest}`, { repository, digest, removed: true, children: [] });
        signatures.push({ row: { repository, digest }, removed: true });
        for (const child of children) affect(repository, child);
        break;
      }
      case 'TagAssigned':
      case 'TagMoved':
      case 'TagRemoved': {
        const { tag, digest } = event.data;
        const name = `${repository}:${tag}`;
        const before = tags.get(name);
        const id = event.type === 'TagAssigned' ? position : (before?.id ?? null);
        const removed = event.type === 'TagRemoved';
        tags.set(name, {
          ...{ repository, tag, digest, removed, id: removed ? null : id, position, at },
          by: event.metadata.actor,
          natural: naturalKey(tag),
          moves: event.type === 'TagMoved' ? (before?.moves ?? 0) + 1 : 0,
        });
        const subject = removed ? undefined : signedBy(tag);
        if (subject !== undefined) signatures.push({ row: { repository, digest, subject } });
        break;
      }
      case 'RepositoryDescribed': {
        const { repositoryId, description } = event.data;
        const row = { name: repository, id: repositoryId, description };
        described.set(`${repository} ${repositoryId}`, row);
      }
    }
  }
  return {
    repositories: [...repositories].map(([name, { id, at }]) => ({
      ...{ name, id, at },
      project: projectOf(name),
    })),
    described: [...described.values()],
    manifests: [...manifests.values()],
    tags: [...tags.values()],
    signatures,
    affected: [...affected.values()],
    touched: [...touched].map(([name, updated_at]) => ({ name, updated_at })),
  };
}

function rowOf(manifest: PushedManifest, position: string, pushedAt: Date) {
  const { repository, digest, annotations, attributes } = manifest;
  const { type, mediaType, artifactType } = kindOf(manifest);
  const accessory = accessoryOf(manifest);
  return {
    id: position,
    repository,
    digest,
    project: projectOf(repository),
    manifest_media_type: manifest.mediaType,
    type,
    media_type: mediaType,
    artifact_type: artifactType,
    size: sizeOf(manifest) ?? null,
    annotations: boundedJson(annotations ?? {}, maxNotes.ofManifest),
    attributes: JSON.stringify(attributes),
    pushed_at: pushedAt,
    signing: isSimpleSigning(manifest) && accessory === undefined,
    accessory: accessory?.type ?? null,
    subject: accessory?.subject ?? null,
  };
}

const childrenOf = ({ repository, digest: parent, manifests }: PushedManifest): object[] =>
  manifests.map(({ digest, platform, annotations, urls }, place) => ({
    ...{ repository, parent, place, digest },
    // What it runs on is what clients choose it by.
    notes: boundedJson({ platform, annotations, urls }, maxNotes.ofChild, { platform }),
  }));

/** Of what is too long only `rest`, and of that nothing if it is too long as well. */
function boundedJson(value: object, maxCharacters: number, rest: object = {}): string {
  for (const each of [value, rest]) {
    const json = JSON.stringify(each);
    if (json.length <= maxCharacters) return json;
  }
  return '{}';
}
