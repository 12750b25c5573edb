import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Digest } from '../../domain/digest.ts';
import type { Metadata, RecordedEvent } from '../../domain/event.ts';
import { noFilters, type WebhookEventType, type WebhookFilters } from '../../domain/webhook/events.ts';
import { matches, type TellingPolicy } from '../../domain/webhook/matching.ts';
import { type Notification, notificationOf } from '../../domain/webhook/notification.ts';
import { cloudEventsPayload, defaultPayload, slackPayload } from '../../domain/webhook/payload.ts';

const digest = `sha256:${'a'.repeat(64)}` as Digest;
const id = '0198c9a2-6a0e-7f1e-9a43-7d5a3d9c5a11';
const recordedAt = new Date('2023-03-06T05:58:23.400Z');
const admin: Metadata = { actor: 'user:admin', requestId: 'request-1', correlationId: 'c-1' };

const recorded = (type: string, data: object, metadata: Metadata = admin): RecordedEvent => ({
  ...{ position: 7n, stream: 'test/1', revision: 3n, id, version: 1, recordedAt },
  ...{ type, data, metadata },
});
const told = (type: string, data: object, metadata?: Metadata) =>
  notificationOf(recorded(type, data, metadata), { robotPrefix: 'robot$' });

const at = { repository: 'library/app', digest };
const manifest = {
  ...{ ...at, mediaType: 'application/vnd.oci.image.manifest.v1+json', size: 7, key: 'k' },
  ...{ layers: [], manifests: [], mentions: [], attributes: {}, blobs: [] },
};
const pulled = { ...at, projectId: 1, pulledAt: '2023-03-06T05:58:20.000Z', timed: true, counted: true };
const quota = { project: 'library', projectId: 1, storage: 1024 ** 3, used: 913_000_000 };
const rule = {
  ...{ template: 'latestPushedK', value: 2, disabled: false, priority: 0 },
  tags: [{ kind: 'doublestar', pattern: '**', decoration: 'matches', extras: '{"untagged":true}' }],
  repositories: [{ kind: 'doublestar', pattern: '**', decoration: 'repoMatches' }],
};
const applied = {
  ...{ policyId: 4, project: 'library', projectId: 1, executionId: 17, taskId: 18, trigger: 'SCHEDULE' },
  ...{ repository: 'library/app', rules: [rule], total: 4, retained: 2 },
  deleted: [
    { digest, tags: ['v1', 'old'] },
    { digest, tags: [] },
  ],
};

const required = (notification: Notification | undefined): Notification =>
  notification ?? assert.fail('nothing is told');
const pushed = required(told('TagAssigned', { ...at, tag: 'v1' }));

test('a push with a tag is told by the tag, and one without by the manifest: once, whatever comes in one batch', () => {
  assert.equal(told('ManifestPushed', { ...manifest, tagged: true }), undefined);
  assert.deepEqual(told('TagAssigned', { ...at, tag: 'v1' }), {
    ...{ eventType: 'PUSH_ARTIFACT', eventId: id, position: 7n, occurredAt: recordedAt, operator: 'admin' },
    ...{ requestId: 'request-1', project: 'library', repository: 'library/app' },
    artifacts: [{ digest, tag: 'v1' }],
  });
  assert.deepEqual(required(told('TagMoved', { ...at, tag: 'v1', from: digest })).artifacts, [
    { digest, tag: 'v1' },
  ]);
  assert.deepEqual(required(told('ManifestPushed', manifest)).artifacts, [{ digest }]);
});

test('a tag that is made or removed by itself is no push, and no deletion', () => {
  assert.equal(told('TagAssigned', { ...at, tag: 'v1' }, { ...admin, operation: 'createTag' }), undefined);
  assert.equal(told('TagRemoved', { ...at, tag: 'v1' }), undefined);
});

test('a deletion is told once, with its tags', () => {
  const deleted = required(told('ManifestDeleted', { ...manifest, tags: ['v1', 'v2'] }));
  assert.equal(deleted.eventType, 'DELETE_ARTIFACT');
  assert.deepEqual(deleted.artifacts, [
    { digest, tag: 'v1' },
    { digest, tag: 'v2' },
  ]);
  assert.deepEqual(required(told('ManifestDeleted', manifest)).artifacts, [{ digest }]);
});

test('what the registry removes by itself is not told, but what it does for a policy is', () => {
  assert.equal(told('ManifestDeleted', manifest, { actor: 'system' }), undefined);
  const byPolicy = { actor: 'system', reason: 'retention policy 4' };
  assert.equal(required(told('ManifestDeleted', manifest, byPolicy)).operator, 'harbor-jobservice');
});

test('who did it is named as Harbor names him, and nobody by nothing', () => {
  const by = (actor: string) => required(told('ArtifactPulled', pulled, { actor })).operator;
  assert.equal(by('user:robot:x'), 'robot:x');
  assert.equal(by('robot:library+ci'), 'robot$library+ci');
  assert.equal(by('anonymous'), '');
});

test('a pull is told when it was, by the tag where one was asked for', () => {
  const { occurredAt, projectId, artifacts } = required(told('ArtifactPulled', { ...pulled, tag: 'v1' }));
  assert.deepEqual([occurredAt.toISOString(), projectId], ['2023-03-06T05:58:20.000Z', 1]);
  assert.deepEqual(artifacts, [{ digest, tag: 'v1' }]);
  assert.deepEqual(required(told('ArtifactPulled', pulled)).artifacts, [{ digest }]);
});

test('nothing is told of other events', () => {
  for (const type of ['ManifestCondemned', 'QuotaEased', 'ProjectCreated', 'LoginFailed'])
    assert.equal(told(type, {}), undefined);
});

const facts = {
  ...{ projectId: 1, isPublic: true, repositoryCreatedAt: new Date(1_677_053_165_900) },
  host: 'reg.example.com',
};
const bodyOf = (notification: Notification, more: Partial<typeof facts> = {}) =>
  defaultPayload(notification, { ...facts, ...more });
const repository = `"repository":{"date_created":1677053165,"name":"app","namespace":"library","repo_full_name":"library/app","repo_type":"public"}`;

test('a push is told to the byte as Harbor tells it', () => {
  assert.equal(
    bodyOf(pushed),
    `{"type":"PUSH_ARTIFACT","occur_at":1678082303,"operator":"admin","event_data":{"resources":[{"digest":"${digest}","tag":"v1","resource_url":"reg.example.com/library/app:v1"}],${repository}}}`,
  );
});

test('what has no tag has its digest as the tag, and an @ before it in its address', () => {
  const deleted = required(told('ManifestDeleted', manifest));
  assert.equal(
    bodyOf({ ...deleted, repository: 'library/a/b' }, { isPublic: false, host: 'reg.example.com:8443' }),
    `{"type":"DELETE_ARTIFACT","occur_at":1678082303,"operator":"admin","event_data":{"resources":[{"digest":"${digest}","tag":"${digest}","resource_url":"reg.example.com:8443/library/a/b@${digest}"}],"repository":{"date_created":1677053165,"name":"a/b","namespace":"library","repo_full_name":"library/a/b","repo_type":"private"}}}`,
  );
});

test('of a repository that is gone the date is left out', () => {
  const body = defaultPayload(pushed, { ...facts, repositoryCreatedAt: undefined });
  assert.match(body, /"repository":\{"name":"app",/);
});

test('a refused push is told with what Harbor says of it, without a date and an address', () => {
  const exceeded = { ...quota, repository: 'library/app', digest, adding: 200_000_000 };
  const details =
    'adding 190.7 MiB of storage resource, which when updated to current usage of 870.7 MiB will exceed the configured upper limit of 1.0 GiB.';
  assert.equal(
    bodyOf(required(told('QuotaExceeded', exceeded))),
    `{"type":"QUOTA_EXCEED","occur_at":1678082303,"operator":"admin","event_data":{"resources":[{"digest":"${digest}","tag":"${digest}"}],"repository":{"name":"app","namespace":"library","repo_full_name":"library/app","repo_type":"public"},"custom_attributes":{"Details":"${details}"}}}`,
  );
  assert.doesNotMatch(bodyOf(required(told('QuotaExceeded', { ...exceeded, digest: null }))), /resources/);
});

test('a warning is of a project, and has neither a repository nor a resource', () => {
  assert.equal(
    bodyOf(required(told('QuotaWarned', quota, { actor: 'system' }))),
    '{"type":"QUOTA_WARNING","occur_at":1678082303,"operator":"","event_data":{"custom_attributes":{"Details":"quota usage reach 85%: resource storage used 870.7 MiB of 1.0 GiB"}}}',
  );
});

test('a run of retention is told with its rules and with what it removed', () => {
  assert.equal(
    bodyOf(required(told('RetentionApplied', applied, { actor: 'system' })), {
      host: 'reg.example.com:8443',
    }),
    `{"type":"TAG_RETENTION","occur_at":1678082303,"operator":"SCHEDULE","event_data":{"retention":{"total":4,"retained":2,"harbor_hostname":"reg.example.com","project_name":"library","retention_policy_id":4,"retention_rule":[{"template":"latestPushedK","params":{"latestPushedK":2},"tag_selectors":[{"kind":"doublestar","decoration":"matches","pattern":"**","extras":"{\\"untagged\\":true}"}],"scope_selectors":{"repository":[{"kind":"doublestar","decoration":"repoMatches","pattern":"**","extras":""}]}}],"result":"SUCCESS","deleted_artifact":[{"type":"image","status":"SUCCESS","name_tag":"app:v1","references":["v1","old"]},{"type":"image","status":"SUCCESS","name_tag":"app@${digest}","references":["${digest}"]}]}}}`,
  );
});

test('a CloudEvent has the id of the event, its policy as the source, and the same data', () => {
  const { event_data: data } = JSON.parse(bodyOf(pushed));
  assert.equal(
    cloudEventsPayload(pushed, facts, { policyId: 3, projectId: 1 }),
    `{"specversion":"1.0","id":"${id}","source":"/projects/1/webhook/policies/3","type":"harbor.artifact.pushed","datacontenttype":"application/json","time":"2023-03-06T05:58:23Z","requestid":"request-1","operator":"admin","data":${JSON.stringify(data)}}`,
  );
  const { requestId: _, ...unasked } = pushed;
  const forAll = cloudEventsPayload(unasked, facts, { policyId: 3, projectId: null });
  assert.match(forAll, /"source":"\/webhook\/policies\/3"/);
  assert.doesNotMatch(forAll, /requestid/);
});

test('Slack is sent six sections, in which no name can call for everybody', () => {
  const { blocks } = JSON.parse(slackPayload({ ...pushed, operator: '<!channel> & co' }, facts));
  const { event_data: data } = JSON.parse(bodyOf(pushed));
  const texts = blocks.map((block: { type: string; text: { type: string; text: string } }) => {
    assert.deepEqual([block.type, block.text.type], ['section', 'mrkdwn']);
    return block.text.text;
  });
  assert.deepEqual(texts, [
    '*Harbor webhook events*',
    '*event_type:* PUSH_ARTIFACT',
    '*occur_at:* <!date^1678082303^{date} at {time}|Mon, 06 Mar 2023 05:58:23 GMT>',
    '*operator:* &lt;!channel&gt; &amp; co',
    '*event_data:*',
    `\`\`\`${JSON.stringify(data, undefined, '\t')}\`\`\``,
  ]);
});

test('what is too long for a section of Slack is cut, and not within a character', () => {
  const artifacts = Array.from({ length: 100 }, (_, n) => ({ digest, tag: `v${n}` }));
  for (const operator of ['a', 'ab', 'abc', 'abcd', 'abcde']) {
    const retention = required(
      told('RetentionApplied', { ...applied, project: `${operator}${'&'.repeat(3000)}` }),
    );
    for (const notification of [{ ...pushed, artifacts }, retention]) {
      const { blocks } = JSON.parse(slackPayload(notification, facts));
      const { text } = blocks.at(-1).text;
      assert.ok(text.length <= 3000);
      assert.match(text, /^```[\s\S]*…```$/);
      assert.doesNotMatch(text, /&(?!amp;|lt;|gt;)/);
    }
  }
});

const policy = (more: Partial<TellingPolicy> = {}): TellingPolicy => ({
  ...{ projectId: 1, eventTypes: ['PUSH_ARTIFACT', 'QUOTA_WARNING'], isEnabled: true, filters: noFilters },
  ...more,
});
const isTold = (more: Partial<TellingPolicy>, notification: Notification = pushed) =>
  matches(policy(more), { ...notification, projectId: 1 });

test('a policy tells of its project, or of all, what it names and while it is enabled', () => {
  assert.ok(isTold({}));
  assert.ok(isTold({ projectId: null }));
  assert.ok(!isTold({ projectId: 2 }));
  assert.ok(!isTold({ isEnabled: false }));
  assert.ok(!isTold({ eventTypes: ['PULL_ARTIFACT'] satisfies WebhookEventType[] }));
});

const repositories = (pattern: string, decoration: 'repoMatches' | 'repoExcludes'): WebhookFilters => ({
  ...noFilters,
  repositories: { kind: 'doublestar', pattern, decoration },
});
const tags = (pattern: string, decoration: 'matches' | 'excludes', extras = ''): WebhookFilters => ({
  ...noFilters,
  tags: { kind: 'doublestar', pattern, decoration, extras },
});

test('a filter of repositories is for what stands after the project, or for the full name in a policy for every project', () => {
  assert.ok(isTold({ filters: repositories('app', 'repoMatches') }));
  assert.ok(!isTold({ filters: repositories('app', 'repoExcludes') }));
  assert.ok(!isTold({ filters: repositories('library/*', 'repoMatches') }));
  assert.ok(isTold({ projectId: null, filters: repositories('library/*', 'repoMatches') }));
  assert.ok(!isTold({ projectId: null, filters: repositories('app', 'repoMatches') }));
});

test('what is of a project as a whole passes every filter', () => {
  const warned = required(told('QuotaWarned', quota));
  const filters = { ...repositories('other', 'repoMatches'), tags: tags('v*', 'matches').tags };
  assert.ok(isTold({ filters }, warned));
});

test('a filter of tags is for artifacts of which it takes one tag, and for those without one where it says so', () => {
  const untagged = required(told('ManifestPushed', manifest));
  assert.ok(isTold({ filters: tags('v*', 'matches') }));
  assert.ok(!isTold({ filters: tags('dev-*', 'matches') }));
  assert.ok(!isTold({ filters: tags('v*', 'excludes') }));
  assert.ok(!isTold({ filters: tags('**', 'matches') }, untagged));
  assert.ok(isTold({ filters: tags('v*', 'matches', '{"untagged":true}') }, untagged));
  assert.ok(isTold({ filters: tags('dev-*', 'excludes') }, untagged));
  assert.ok(!isTold({ filters: tags('dev-*', 'excludes', '{"untagged":false}') }, untagged));
  const deleted = required(told('ManifestDeleted', { ...manifest, tags: ['dev-1', 'v1'] }));
  const eventTypes = ['DELETE_ARTIFACT'] as const;
  assert.ok(isTold({ eventTypes, filters: tags('v*', 'matches') }, deleted));
  assert.ok(!isTold({ eventTypes, filters: tags('w*', 'matches') }, deleted));
});
