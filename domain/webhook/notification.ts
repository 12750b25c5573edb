import { jobService } from '../access/principal.ts';
import type { ArtifactEvent } from '../artifact/events.ts';
import type { Digest } from '../digest.ts';
import type { RecordedEvent } from '../event.ts';
import type { PullEvent } from '../pull/events.ts';
import type { QuotaEvent, QuotaRefusalEvent } from '../quota/events.ts';
import { exceededWords, warnedWords } from '../quota/words.ts';
import { projectOf } from '../repository.ts';
import type { AppliedRetention, RetentionRunEvent } from '../retention/run-events.ts';
import type { TagEvent } from '../tag/events.ts';
import type { WebhookEventType } from './events.ts';

/** An artifact that something has happened to, by a tag or by its digest alone. */
export interface ToldArtifact {
  readonly digest: Digest;
  /** Undefined for one without a tag, and for who named it by its digest. */
  readonly tag?: string;
}

/** What has happened, as policies tell it. It says all that one event says, and nothing else. */
export interface Notification {
  /** `PING` is what a policy is tried with, whatever it tells. */
  readonly eventType: WebhookEventType | 'PING';
  /** The id of the event in the log, a UUIDv7. */
  readonly eventId: string;
  /** The event's place in the log. */
  readonly position: bigint;
  readonly occurredAt: Date;
  /** Who it was, in Harbor's words; empty for nobody that is known. */
  readonly operator: string;
  /** Of the request that has done it, where there was one. */
  readonly requestId?: string;
  readonly project: string;
  /** Undefined where the event has no more than the name. */
  readonly projectId?: number;
  /** The full name; undefined for what is of a project as a whole. */
  readonly repository?: string;
  readonly artifacts: readonly ToldArtifact[];
  /** Of a quota: what there is to say, as a sentence. */
  readonly details?: string;
  /** What a run of retention rules has done. */
  readonly retention?: AppliedRetention;
}

type ToldEvent =
  | Extract<ArtifactEvent, { type: 'ManifestPushed' | 'ManifestDeleted' }>
  | Extract<TagEvent, { type: 'TagAssigned' | 'TagMoved' }>
  | PullEvent
  | Extract<QuotaEvent, { type: 'QuotaWarned' }>
  | QuotaRefusalEvent
  | RetentionRunEvent;

/** The types of event of which some are told. */
export const toldTypes = [
  'ManifestPushed',
  'ManifestDeleted',
  'TagAssigned',
  'TagMoved',
  'ArtifactPulled',
  'QuotaWarned',
  'QuotaExceeded',
  'RetentionApplied',
] as const satisfies readonly ToldEvent['type'][];
const told: ReadonlySet<string> = new Set(toldTypes);

/**
 * What is told of an event; undefined for nothing. Each push is told once, by events that stand for themselves: one with a
 * tag by the tag's, of which there is none where the tag is at the digest already, and one without by the manifest's.
 * Each deletion of a manifest is told with its tags. What nobody asked for and no policy does, such as the collection of
 * garbage, is not told, as in Harbor.
 * @param event in the current version of its type
 * @param robotPrefix what the names of robots begin with, as the setting `robot_name_prefix` has it
 */
export function notificationOf(
  event: RecordedEvent,
  { robotPrefix }: { readonly robotPrefix: string },
): Notification | undefined {
  if (!told.has(event.type)) return undefined;
  const happened = happenedIn(event as RecordedEvent<ToldEvent>);
  if (happened === undefined) return undefined;
  const { id, position, metadata, recordedAt } = event;
  return {
    eventId: id,
    position,
    occurredAt: recordedAt,
    operator: operatorOf(metadata, robotPrefix),
    ...(metadata.requestId !== undefined && { requestId: metadata.requestId }),
    artifacts: [],
    ...happened,
  };
}

type Happened = Pick<Notification, 'eventType' | 'project'> & Partial<Notification>;

function happenedIn(event: RecordedEvent<ToldEvent>): Happened | undefined {
  const { operation } = event.metadata;
  switch (event.type) {
    case 'ManifestPushed':
      return event.data.tagged === true ? undefined : pushed(event.data);
    case 'TagAssigned':
    case 'TagMoved': {
      // A tag that is made by itself is no push.
      const { repository, digest, tag } = event.data;
      return operation === 'createTag' ? undefined : pushed({ repository, digest, tag });
    }
    case 'ManifestDeleted':
      return isAsked(event.metadata) ? deleted(event.data) : undefined;
    case 'ArtifactPulled': {
      const { projectId, repository, digest, tag, pulledAt } = event.data;
      return {
        ...{ eventType: 'PULL_ARTIFACT', occurredAt: new Date(pulledAt), projectId },
        ...artifactIn(repository, [{ digest, ...(tag !== undefined && { tag }) }]),
      };
    }
    case 'QuotaWarned': {
      const { project, projectId } = event.data;
      return { eventType: 'QUOTA_WARNING', project, projectId, details: warnedWords(event.data) };
    }
    case 'QuotaExceeded': {
      const { project, projectId, repository, digest } = event.data;
      return {
        ...{ eventType: 'QUOTA_EXCEED', project, projectId, repository },
        artifacts: digest === null ? [] : [{ digest }],
        details: exceededWords(event.data),
      };
    }
    case 'RetentionApplied': {
      const { project, projectId, repository, trigger } = event.data;
      // Harbor has what asked for the run in the place of who.
      return {
        ...{ eventType: 'TAG_RETENTION', project, projectId, repository, operator: trigger },
        retention: event.data,
      };
    }
  }
}

const artifactIn = (repository: string, artifacts: readonly ToldArtifact[]) => ({
  project: projectOf(repository),
  repository,
  artifacts,
});

const pushed = ({
  repository,
  digest,
  tag,
}: {
  readonly repository: string;
  readonly digest: Digest;
  readonly tag?: string;
}): Happened => ({
  eventType: 'PUSH_ARTIFACT',
  ...artifactIn(repository, [{ digest, ...(tag !== undefined && { tag }) }]),
});

function deleted({
  repository,
  digest,
  tags = [],
}: Extract<ToldEvent, { type: 'ManifestDeleted' }>['data']): Happened {
  const artifacts = tags.length === 0 ? [{ digest }] : tags.map((tag) => ({ digest, tag }));
  return { eventType: 'DELETE_ARTIFACT', ...artifactIn(repository, artifacts) };
}

/** What the registry does by itself says no reason. */
const isAsked = ({ actor, reason }: RecordedEvent['metadata']): boolean =>
  actor !== 'system' || reason !== undefined;

function operatorOf({ actor, reason }: RecordedEvent['metadata'], robotPrefix: string): string {
  if (actor === 'anonymous') return '';
  if (actor === 'system') return reason === undefined ? '' : jobService;
  if (actor.startsWith('robot:')) return `${robotPrefix}${actor.slice('robot:'.length)}`;
  return actor.replace(/^user:/, '');
}
