import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTarget, sealTarget } from '../../commands/webhook-targets.ts';
import type { Digest } from '../../domain/digest.ts';
import { retentionRunDecider } from '../../domain/retention/run-decider.ts';
import type { AppliedRetention, RetentionRunEvent } from '../../domain/retention/run-events.ts';
import { maxPolicies, type WebhookSettings, webhookDecider } from '../../domain/webhook/decider.ts';
import {
  noFilters,
  type WebhookEvent,
  type WebhookFilters,
  webhooksStream,
} from '../../domain/webhook/events.ts';
import { secretBox } from '../../infra/secrets/aes-gcm.ts';
import { SealBroken } from '../../infra/secrets/port.ts';
import { given } from '../given.ts';

const project = { project: 'team', projectId: 2 };
const policies = (policyId: number) => webhookDecider({ policyId, ...project });

const settingsOf = (name: string): WebhookSettings => ({
  name,
  description: '',
  targets: [{ type: 'http', sealed: 'sealed', skipCertVerify: false, payloadFormat: 'Default' }],
  eventTypes: ['PUSH_ARTIFACT'],
  isEnabled: true,
});
const event = (
  type: 'WebhookPolicyCreated' | 'WebhookPolicyChanged',
  policyId: number,
  name: string,
): WebhookEvent => {
  const { targets, eventTypes, filters = noFilters, ...settings } = settingsOf(name);
  return {
    type,
    data: { policyId, ...project, ...settings, filters, targets: [...targets], eventTypes: [...eventTypes] },
  };
};
const created = (policyId: number, name: string) => event('WebhookPolicyCreated', policyId, name);
const changed = (policyId: number, name: string) => event('WebhookPolicyChanged', policyId, name);
const deleted = (policyId: number, name: string): WebhookEvent => ({
  type: 'WebhookPolicyDeleted',
  data: { policyId, ...project, name },
});
const create = (name: string) => ({ do: 'create', settings: settingsOf(name) }) as const;
const change = (name: string) => ({ do: 'change', settings: settingsOf(name) }) as const;
const exists = (name: string) => ({ kind: 'webhook-policy-exists', project: 'team', name }) as const;

test('the policies of a project of the same name before are none of its own', () => {
  assert.equal(webhooksStream(2), 'webhooks/2');
});

test('a name is given to one policy of a project at a time', () => {
  given(policies(1)).when(create('chat')).then(created(1, 'chat'));
  given(policies(2), created(1, 'chat')).when(create('chat')).thenRefused(exists('chat'));
  given(policies(2), created(1, 'chat')).when(create('Chat')).then(created(2, 'Chat'));
  given(policies(2), created(1, 'chat'), created(2, 'mail')).when(change('chat')).thenRefused(exists('chat'));
  given(policies(1), created(1, 'chat')).when(change('chat')).then(changed(1, 'chat'));
});

test('a change without a name leaves the name as it is', () => {
  const past = [created(1, 'chat'), changed(1, 'mail')];
  given(policies(1), ...past)
    .when(change(''))
    .then(changed(1, 'mail'));
});

test('the name that a policy had is free, and so is that of one that is gone', () => {
  for (const past of [changed(1, 'mail'), deleted(1, 'chat')])
    given(policies(2), created(1, 'chat'), past).when(create('chat')).then(created(2, 'chat'));
});

test('a policy that is not there is neither changed nor deleted', () => {
  for (const past of [[], [created(1, 'chat'), deleted(1, 'chat')], [created(2, 'chat')]])
    for (const command of [change('other'), { do: 'delete' }] as const)
      given(policies(1), ...past)
        .when(command)
        .thenRefused({ kind: 'webhook-policy-unknown', policyId: 1 });
});

test('a policy is deleted under the name that it has last had', () => {
  given(policies(1), created(1, 'chat'), changed(1, 'mail')).when({ do: 'delete' }).then(deleted(1, 'mail'));
});

test('a project has a bounded number of policies', () => {
  const many = Array.from({ length: maxPolicies }, (_, index) => created(index + 1, `policy ${index}`));
  given(policies(500), ...many)
    .when(create('one more'))
    .thenRefused({ kind: 'too-many-webhook-policies', max: maxPolicies });
});

test('what a target keeps secret is sealed for its policy alone', () => {
  const secrets = secretBox('a secret key that nobody can guess');
  const target = {
    type: 'slack',
    address: 'https://hooks.example.com/services/T0/B0/secret',
    authHeader: 'Bearer secret',
    skipCertVerify: true,
    payloadFormat: null,
  } as const;
  const sealed = sealTarget(secrets, 3, target);
  assert.doesNotMatch(JSON.stringify(sealed), /hooks|secret/);
  assert.deepEqual(openTarget(secrets, 3, sealed), target);
  assert.throws(() => openTarget(secrets, 4, sealed), SealBroken);
});

const at = (time: string) => new Date(`2026-11-28T${time}.000Z`);
const sign = (sealed: string, time: string) => ({ do: 'change-secret', sealed, now: at(time) }) as const;
const signs = (sealed: string, ...previous: [sealed: string, until: string][]): WebhookEvent => ({
  type: 'WebhookSecretChanged',
  data: {
    ...{ policyId: 1, ...project, name: 'chat', sealed },
    previous: previous.map(([sealed, until]) => ({ sealed, until: `2026-11-${until}.000Z` })),
  },
});

test('the secret from before signs for a day more, whatever comes after it', () => {
  const first = signs('a');
  given(policies(1), created(1, 'chat')).when(sign('a', '10:00:00')).then(first);
  const second = signs('b', ['a', '29T11:00:00']);
  given(policies(1), created(1, 'chat'), first).when(sign('b', '11:00:00')).then(second);
  given(policies(1), created(1, 'chat'), first, second)
    .when(sign('c', '12:00:00'))
    .then(signs('c', ['b', '29T12:00:00'], ['a', '29T11:00:00']));
  const old = signs('b', ['a', '28T12:00:00']);
  given(policies(1), created(1, 'chat'), old)
    .when(sign('c', '12:00:00'))
    .then(signs('c', ['b', '29T12:00:00']));
});

test('a secret that is removed does not sign, nor does it come back', () => {
  const removed: WebhookEvent = {
    type: 'WebhookSecretRemoved',
    data: { policyId: 1, ...project, name: 'chat' },
  };
  given(policies(1), created(1, 'chat'), signs('a')).when({ do: 'remove-secret' }).then(removed);
  given(policies(1), created(1, 'chat'), signs('a'), removed).when({ do: 'remove-secret' }).then();
  given(policies(1), created(1, 'chat'), signs('a'), removed).when(sign('b', '11:00:00')).then(signs('b'));
  given(policies(1)).when(sign('a', '10:00:00')).thenRefused({ kind: 'webhook-policy-unknown', policyId: 1 });
});

test('a change that says nothing of filters, nor of what signs, leaves both as they are', () => {
  const filters: WebhookFilters = {
    repositories: null,
    tags: { kind: 'doublestar', pattern: 'v*', decoration: 'matches', extras: '' },
  };
  const filtered = { ...created(1, 'chat') };
  const past = { ...filtered, data: { ...filtered.data, filters } } as WebhookEvent;
  const after = { ...past, type: 'WebhookPolicyChanged' } as WebhookEvent;
  given(policies(1), past, signs('a')).when(change('chat')).then(after);
  given(policies(1), past, signs('a'), after)
    .when(sign('b', '11:00:00'))
    .then(signs('b', ['a', '29T11:00:00']));
  given(policies(1), past)
    .when({ do: 'change', settings: { ...settingsOf('chat'), filters: noFilters } })
    .then(changed(1, 'chat'));
});

test('a run of retention says once what it removed, and nothing where it removed nothing', () => {
  const digest = `sha256:${'a'.repeat(64)}` as Digest;
  const run: AppliedRetention = {
    ...{ policyId: 4, ...project, executionId: 17, taskId: 18, trigger: 'MANUAL' },
    ...{ repository: 'team/app', rules: [], total: 2, retained: 1, deleted: [{ digest, tags: ['v1'] }] },
  };
  const told: RetentionRunEvent = { type: 'RetentionApplied', data: run };
  given(retentionRunDecider).when(run).then(told);
  given(retentionRunDecider, told).when(run).then();
  given(retentionRunDecider)
    .when({ ...run, retained: 2, deleted: [] })
    .then();
});
