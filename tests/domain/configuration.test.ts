import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ConfigurationCommand, configurationDecider } from '../../domain/configuration/decider.ts';
import type { ConfigurationEvent } from '../../domain/configuration/events.ts';
import {
  faultIn,
  type ItemName,
  isSecret,
  itemNames,
  items,
  overlaid,
  standardConfiguration,
} from '../../domain/configuration/items.ts';
import type { Value } from '../../domain/configuration/kinds.ts';
import { given } from '../given.ts';

type Values = Readonly<Partial<Record<ItemName, Value>>>;

const change = (items: Values, more: object = {}): ConfigurationCommand => ({
  do: 'change',
  items,
  sealed: {},
  standard: standardConfiguration,
  hasUsers: false,
  ...more,
});
const changed = (items: Record<string, Value>, sealed: Record<string, string> = {}): ConfigurationEvent => ({
  type: 'ConfigurationChanged',
  data: { items, sealed },
});

test('a change records the items that are others than they were, and no more', () => {
  given(configurationDecider, changed({ session_timeout: 90 }))
    .when(change({ read_only: true, session_timeout: 90, self_registration: false }))
    .then(changed({ read_only: true }));
});

test('a change to what everything is already is none', () => {
  given(configurationDecider, changed({ read_only: true }), changed({ read_only: false }))
    .when(change({ read_only: false, robot_name_prefix: 'robot$' }))
    .then();
});

test('an item that was set keeps its value, also where that is the default', () => {
  given(configurationDecider, changed({ token_expiration: 5 }))
    .when(change({ token_expiration: 30 }))
    .then(changed({ token_expiration: 30 }));
});

test('a secret is recorded as it was sealed', () => {
  given(configurationDecider)
    .when(change({}, { sealed: { oidc_client_secret: 'v1.sealed' } }))
    .then(changed({}, { oidc_client_secret: 'v1.sealed' }));
});

test('the environment is heard while nothing was ever set, and not any more after that', () => {
  const seed = { do: 'seed', items: { session_timeout: 20 }, sealed: {} } as const;
  given(configurationDecider)
    .when(seed)
    .then(changed({ session_timeout: 20 }));
  given(configurationDecider, changed({ read_only: true }))
    .when(seed)
    .then();
  given(configurationDecider).when({ do: 'seed', items: {}, sealed: {} }).then();
});

test('the auth mode stays where users have passwords here', () => {
  const command = (hasUsers: boolean) => change({ auth_mode: 'oidc_auth' }, { hasUsers });
  given(configurationDecider).when(command(true)).thenRefused({ kind: 'auth-mode-locked' });
  given(configurationDecider)
    .when(change({ auth_mode: 'db_auth' }, { hasUsers: true }))
    .then();
  given(configurationDecider).when(command(false)).thenRefused({
    kind: 'configuration-invalid',
    item: 'auth_mode',
    expected: 'db_auth; there is no login by oidc_auth yet',
  });
});

test('the audit log is not kept out of the database where it is sent nowhere', () => {
  const missing = { kind: 'audit-endpoint-missing' } as const;
  const forwarding = changed({ audit_log_forward_endpoint: 'syslog.example.com:514' });
  given(configurationDecider)
    .when(change({ skip_audit_log_database: true }))
    .thenRefused(missing);
  given(configurationDecider, forwarding)
    .when(change({ skip_audit_log_database: true }))
    .then(changed({ skip_audit_log_database: true }));
  given(configurationDecider, forwarding, changed({ skip_audit_log_database: true }))
    .when(change({ audit_log_forward_endpoint: '' }))
    .thenRefused(missing);
  given(configurationDecider, forwarding, changed({ skip_audit_log_database: true }))
    .when(change({ audit_log_forward_endpoint: '', skip_audit_log_database: false }))
    .then(changed({ audit_log_forward_endpoint: '', skip_audit_log_database: false }));
});

test('what is empty and stays so breaks no rule, since clients send back what they have read', () => {
  given(configurationDecider)
    .when(change({ ldap_url: '', ldap_base_dn: '' }))
    .then();
  given(configurationDecider, changed({ ldap_url: 'ldaps://ldap.example.com' }))
    .when(change({ ldap_url: ' ' }))
    .thenRefused({ kind: 'configuration-invalid', item: 'ldap_url', expected: 'text that is not empty' });
});

const bad: readonly (readonly [ItemName, Value])[] = [
  ['token_expiration', 0],
  ['token_expiration', 10_000_000_000],
  ['robot_token_duration', 0],
  ['session_timeout', -1],
  ['storage_per_project', 0],
  ['storage_per_project', -2],
  ['ldap_scope', 3],
  ['ldap_group_search_scope', -1],
  ['robot_name_prefix', ''],
  ['robot_name_prefix', 'robot:'],
  ['robot_name_prefix', 'my robot'],
  ['project_creation_restriction', 'nobody'],
  ['auth_mode', 'magic'],
  ['banner_message', 'Hello'],
  ['banner_message', '["Hello"]'],
  ['oidc_extra_redirect_parms', '{"prompt":1}'],
  ['oidc_extra_redirect_parms', 'null'],
  ['disabled_audit_log_event_types', 'pull_artifact,pull_nothing'],
  ['oidc_name', 'a\0b'],
  ['oidc_name', '\ud800'],
  ['oidc_client_secret', 'x'.repeat(40_000)],
  ['read_only', 'true'],
  ['session_timeout', 1.5],
];
for (const [name, value] of bad)
  test(`${name} cannot be ${JSON.stringify(value).slice(0, 40)}`, () =>
    assert.notEqual(faultIn(name, value), undefined));

const good: readonly (readonly [ItemName, Value])[] = [
  ['token_expiration', 9_999_999_999],
  ['storage_per_project', -1],
  ['storage_per_project', 1024],
  ['robot_name_prefix', 'bot@'],
  ['banner_message', ''],
  ['banner_message', '{"message":"Hello","closable":true}'],
  ['oidc_extra_redirect_parms', '{"prompt":"login"}'],
  ['disabled_audit_log_event_types', 'pull_artifact, login_user'],
  ['disabled_audit_log_event_types', ''],
];
for (const [name, value] of good)
  test(`${name} can be ${JSON.stringify(value)}`, () => assert.equal(faultIn(name, value), undefined));

test('every item has a meaning and, unless it is to be filled in, a default that fits', () => {
  for (const name of itemNames) {
    assert.match(items[name].meaning, /\.$/, name);
    if (!['ldap_url', 'ldap_base_dn'].includes(name))
      assert.equal(faultIn(name, items[name].default), undefined, name);
  }
});

test('what a later version has set, and this one does not know or cannot hold, is left aside', () => {
  const read = overlaid(standardConfiguration, { unheard_of: 1, read_only: 'yes', session_timeout: 5 });
  assert.deepEqual(read, { ...standardConfiguration, session_timeout: 5 });
  for (const name of itemNames.filter(isSecret)) assert.equal(name in read, false);
});
