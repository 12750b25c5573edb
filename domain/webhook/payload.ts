import type { RetentionRule } from '../retention/rules.ts';
import type { Notification, ToldArtifact } from './notification.ts';

/** What no event says of what a payload tells. */
export interface PayloadFacts {
  /** The number of the project. */
  readonly projectId: number;
  readonly isPublic: boolean;
  /** When the repository came to be; undefined where it is gone, or there is none. */
  readonly repositoryCreatedAt: Date | undefined;
  /** The host by which clients reach the registry, with a port where one is needed: `reg.example.com`. */
  readonly host: string;
}

/** The body of a request in the format `Default`: Harbor's, member for member, as JSON. */
export const defaultPayload = (notification: Notification, facts: PayloadFacts): string =>
  JSON.stringify({
    type: notification.eventType,
    occur_at: unixSeconds(notification.occurredAt),
    operator: notification.operator,
    event_data: eventData(notification, facts),
  });

const cloudEventTypes: Readonly<Record<Notification['eventType'], string>> = {
  PING: 'shiplog.webhook.ping',
  PUSH_ARTIFACT: 'harbor.artifact.pushed',
  PULL_ARTIFACT: 'harbor.artifact.pulled',
  DELETE_ARTIFACT: 'harbor.artifact.deleted',
  QUOTA_EXCEED: 'harbor.quota.exceeded',
  QUOTA_WARNING: 'harbor.quota.warned',
  REPLICATION: 'harbor.replication.status.changed',
  SCANNING_COMPLETED: 'harbor.scan.completed',
  SCANNING_FAILED: 'harbor.scan.failed',
  SCANNING_STOPPED: 'harbor.scan.stopped',
  TAG_RETENTION: 'harbor.tag_retention.finished',
};

/**
 * The body of a request in the format `CloudEvents`: structured JSON of version 1.0, as Harbor has it.
 * @param policy by which it is told; without a project for one that is for every project
 */
export const cloudEventsPayload = (
  notification: Notification,
  facts: PayloadFacts,
  policy: { readonly policyId: number; readonly projectId: number | null },
): string =>
  JSON.stringify({
    specversion: '1.0',
    id: notification.eventId,
    source: `${policy.projectId === null ? '' : `/projects/${policy.projectId}`}/webhook/policies/${policy.policyId}`,
    type: cloudEventTypes[notification.eventType],
    datacontenttype: 'application/json',
    time: `${notification.occurredAt.toISOString().slice(0, 'YYYY-MM-DDThh:mm:ss'.length)}Z`,
    requestid: notification.requestId,
    operator: notification.operator,
    data: eventData(notification, facts),
  });

/** Around what is shown as it is written. */
const fence = '```';
/** Slack refuses a section whose text has more characters. */
const maxSectionText = 3000;

/** The body of a request to Slack: Harbor's six sections. */
export function slackPayload(notification: Notification, facts: PayloadFacts): string {
  const { eventType, occurredAt, operator } = notification;
  const data = JSON.stringify(eventData(notification, facts), undefined, '\t');
  const date = `<!date^${unixSeconds(occurredAt)}^{date} at {time}|${occurredAt.toUTCString()}>`;
  const texts = [
    '*Harbor webhook events*',
    `*event_type:* ${eventType}`,
    `*occur_at:* ${date}`,
    `*operator:* ${escaped(operator)}`,
    '*event_data:*',
    `${fence}${cut(escaped(data))}${fence}`,
  ];
  return JSON.stringify({
    blocks: texts.map((text) => ({ type: 'section', text: { type: 'mrkdwn', text } })),
  });
}

/** In the text of Slack's, a name must not call for everybody: `<!channel>`. */
const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** Not within what stands for one character: `&amp;`. */
function cut(text: string): string {
  const room = maxSectionText - 2 * fence.length;
  return text.length <= room ? text : `${text.slice(0, room - 1).replace(/&[a-z]*$/, '')}…`;
}

const unixSeconds = (at: Date): number => Math.floor(at.getTime() / 1000);

/** In the order of Harbor's; what is undefined is left out. */
const eventData = (notification: Notification, facts: PayloadFacts) => ({
  resources: resourcesOf(notification, facts),
  repository: repositoryOf(notification, facts),
  retention: retentionOf(notification, facts),
  custom_attributes: notification.details === undefined ? undefined : { Details: notification.details },
});

function resourcesOf({ eventType, repository, artifacts }: Notification, { host }: PayloadFacts) {
  if (artifacts.length === 0) return undefined;
  // Of a quota, what was not taken in is nowhere.
  if (eventType === 'QUOTA_EXCEED') return artifacts.map(({ digest, tag = digest }) => ({ digest, tag }));
  return artifacts.map(({ digest, tag }) => ({
    digest,
    tag: tag ?? digest,
    resource_url: `${host}/${repository}${referenceOf({ digest, ...(tag !== undefined && { tag }) })}`,
  }));
}

const referenceOf = ({ digest, tag }: ToldArtifact): string => (tag === undefined ? `@${digest}` : `:${tag}`);

function repositoryOf({ eventType, project, repository }: Notification, facts: PayloadFacts) {
  if (repository === undefined || eventType === 'TAG_RETENTION') return undefined;
  const created = eventType === 'QUOTA_EXCEED' ? undefined : facts.repositoryCreatedAt;
  return {
    date_created: created && unixSeconds(created),
    name: repository.slice(repository.indexOf('/') + 1),
    namespace: project,
    repo_full_name: repository,
    repo_type: facts.isPublic ? 'public' : 'private',
  };
}

/** How a run ended of which something is told. */
const succeeded = 'SUCCESS';

function retentionOf({ retention }: Notification, { host }: PayloadFacts) {
  if (retention === undefined) return undefined;
  const { total, retained, project, policyId, rules, repository, deleted } = retention;
  return {
    total,
    retained,
    harbor_hostname: host.replace(/:\d+$/, ''),
    project_name: project,
    retention_policy_id: policyId,
    retention_rule: rules.map(ruleOf),
    result: succeeded,
    deleted_artifact: deleted.map(({ digest, tags: [tag, ...more] }) => ({
      type: 'image',
      status: succeeded,
      name_tag: `${repository.slice(project.length + 1)}${referenceOf({ digest, ...(tag !== undefined && { tag }) })}`,
      references: tag === undefined ? [digest] : [tag, ...more],
    })),
  };
}

const ruleOf = ({ template, value, tags, repositories }: RetentionRule) => ({
  template,
  params: value === null ? {} : { [template]: value },
  tag_selectors: tags.map(({ kind, decoration, pattern, extras }) => ({ kind, decoration, pattern, extras })),
  scope_selectors: {
    repository: repositories.map(({ kind, decoration, pattern }) => ({
      kind,
      decoration,
      pattern,
      extras: '',
    })),
  },
});
