import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTarget, sealTarget } from '../../commands/webhook-targets.ts';
import { maxPolicies, type WebhookSettings, webhookDecider } from '../../domain/webhook/decider.ts';
import { noFilters, type WebhookEvent, webhooksStream } from '../../domain/webhook/events.ts';
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
