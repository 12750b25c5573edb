import { withoutProject } from '../repository.ts';
import {
  namesOf,
  type RepositorySelector,
  type TagSelector,
  tagsOf,
  untaggedIn,
} from '../selector/selector.ts';
import type { WebhookEventType, WebhookFilters } from './events.ts';
import type { Notification, ToldArtifact } from './notification.ts';

/** What a policy says of what it tells. */
export interface TellingPolicy {
  /** Null for a policy that is for every project. */
  readonly projectId: number | null;
  readonly eventTypes: readonly WebhookEventType[];
  readonly isEnabled: boolean;
  readonly filters: WebhookFilters;
}

/** @param notification with the number of its project, which not every event has. */
export const matches = (
  { projectId, eventTypes, isEnabled, filters: { repositories, tags } }: TellingPolicy,
  notification: Notification & { readonly projectId: number },
): boolean =>
  isEnabled &&
  (projectId === null || projectId === notification.projectId) &&
  eventTypes.some((type) => type === notification.eventType) &&
  (repositories === null || isOf(repositories, projectId === null, notification)) &&
  (tags === null || hasOne(tags, notification));

/** What is of a project as a whole is told whatever the repositories are. */
function isOf(selector: RepositorySelector, isForAll: boolean, { repository }: Notification): boolean {
  if (repository === undefined) return true;
  return namesOf(selector)(isForAll ? repository : withoutProject(repository));
}

const ofArtifacts: ReadonlySet<Notification['eventType']> = new Set([
  'PUSH_ARTIFACT',
  'PULL_ARTIFACT',
  'DELETE_ARTIFACT',
]);

/** Of what has no artifacts, nothing is left out by its tags. */
const hasOne = (selector: TagSelector, { eventType, artifacts }: Notification): boolean =>
  !ofArtifacts.has(eventType) || artifacts.some((artifact) => isSelected(selector, artifact));

/**
 * Who names some tags wants to hear of them; who leaves some out, of all else. So what has no tag is told in the second case,
 * where the extras of the selector say nothing.
 */
const isSelected = (selector: TagSelector, { tag }: ToldArtifact): boolean =>
  tag === undefined
    ? (untaggedIn(selector.extras) ?? selector.decoration === 'excludes')
    : tagsOf(selector)(tag);
