import {
  choice,
  flag,
  type Item,
  jsonObject,
  notEmpty,
  number,
  type SecretItem,
  secret,
  text,
  type Value,
} from './kinds.ts';

/** Harbor's most for what is counted in minutes or days. */
const most = 9_999_999_999;
const scopes = [0, 2] as const;

/** How long a registry token lives at most, in minutes: as long keys verify that sign no more. */
export const longestTokenMinutes = 24 * 60;

/** What an audit log can leave out, by Harbor's names. */
export const auditEventTypes = [
  'create_artifact',
  'delete_artifact',
  'pull_artifact',
  'create_project',
  'delete_project',
  'update_project',
  'delete_repository',
  'login_user',
  'logout_user',
  'create_user',
  'delete_user',
  'update_user',
  'create_robot',
  'delete_robot',
  'update_configuration',
  'create_member',
  'delete_member',
  'update_member',
] as const;

function eventTypesFault(written: string): string | undefined {
  const known: readonly string[] = auditEventTypes;
  const names = written === '' ? [] : written.split(',').map((name) => name.trim());
  return names.every((name) => known.includes(name))
    ? undefined
    : `names of event types with commas between: ${auditEventTypes.join(', ')}`;
}

/** Basic credentials end their user name at a colon; a name that cannot be seen or typed is none. */
function prefixFault(prefix: string): string | undefined {
  return /^[^:\p{C}\s]{1,64}$/u.test(prefix)
    ? undefined
    : '1 to 64 characters that can be seen, without a colon';
}

const listed = {
  auth_mode: choice(
    'Where users have their passwords.',
    ['db_auth', 'ldap_auth', 'uaa_auth', 'http_auth', 'oidc_auth'],
    'AUTH_MODE',
    (mode) => (mode === 'db_auth' ? undefined : `db_auth; there is no login by ${mode} yet`),
  ),
  primary_auth_mode: flag(
    'Whether the login page offers `auth_mode` first and leads there by itself.',
    false,
    'PRIMARY_AUTH_MODE',
  ),

  ldap_url: text('The URL of the directory: `ldaps://ldap.example.com`.', 'LDAP_URL', notEmpty),
  ldap_base_dn: text('Where in the directory users are looked for.', 'LDAP_BASE_DN', notEmpty),
  ldap_uid: text('The attribute that holds the user name.', 'LDAP_UID', notEmpty, 'cn'),
  ldap_filter: text('What else is true of users.', 'LDAP_FILTER'),
  ldap_scope: number(
    'How deep they are looked for: 0 base, 1 one level, 2 subtree.',
    2,
    'LDAP_SCOPE',
    scopes,
  ),
  ldap_search_dn: text('Who searches the directory.', 'LDAP_SEARCH_DN'),
  ldap_search_password: secret('The password of `ldap_search_dn`.', 'LDAP_SEARCH_PWD'),
  ldap_timeout: number('How long the directory may take, in seconds.', 5, 'LDAP_TIMEOUT', [0, most]),
  ldap_verify_cert: flag('Whether the certificate of the directory is checked.', true, 'LDAP_VERIFY_CERT'),
  ldap_group_base_dn: text('Where in the directory groups are looked for.', 'LDAP_GROUP_BASE_DN'),
  ldap_group_search_filter: text('What is true of groups.', 'LDAP_GROUP_FILTER'),
  ldap_group_attribute_name: text('The attribute that holds the name of a group.', 'LDAP_GROUP_GID'),
  ldap_group_admin_dn: text('The group whose members are administrators.', 'LDAP_GROUP_ADMIN_DN'),
  ldap_group_search_scope: number(
    'How deep groups are looked for: 0 base, 1 one level, 2 subtree.',
    2,
    'LDAP_GROUP_SCOPE',
    scopes,
  ),
  ldap_group_membership_attribute: text(
    'The attribute of a user that names his groups.',
    'LDAP_GROUP_MEMBERSHIP_ATTRIBUTE',
    undefined,
    'memberof',
  ),
  ldap_group_attach_parallel: flag(
    'Whether the groups of a user are looked up at the same time.',
    false,
    'LDAP_GROUP_ATTACH_PARALLEL',
  ),

  uaa_endpoint: text('The URL of the UAA.', 'UAA_ENDPOINT'),
  uaa_client_id: text('The name of this registry there.', 'UAA_CLIENTID'),
  uaa_client_secret: secret('The secret that goes with `uaa_client_id`.', 'UAA_CLIENTSECRET'),
  uaa_verify_cert: flag('Whether the certificate of the UAA is checked.', false, 'UAA_VERIFY_CERT'),

  http_authproxy_endpoint: text('Where the proxy that authenticates takes logins.'),
  http_authproxy_tokenreview_endpoint: text('Where it says whose a token is.'),
  http_authproxy_admin_groups: text('The groups whose members are administrators, with commas between.'),
  http_authproxy_admin_usernames: text('The users who are administrators, with commas between.'),
  http_authproxy_verify_cert: flag('Whether the certificate of the proxy is checked.', true),
  http_authproxy_skip_search: flag('Whether users become members without a look whether they exist.', false),
  http_authproxy_server_certificate: text('The certificate that the proxy must have, in PEM.'),

  oidc_name: text('The name of the OIDC provider, for people.'),
  oidc_endpoint: text('The URL of the OIDC provider, its issuer.'),
  oidc_client_id: text('The name of this registry there.'),
  oidc_client_secret: secret('The secret that goes with `oidc_client_id`.'),
  oidc_groups_claim: text('The claim that names the groups of a user.'),
  oidc_admin_group: text('The group whose members are administrators.'),
  oidc_group_filter: text('The pattern that names of groups must fit to count.'),
  oidc_scope: text('What is asked for, with commas between.'),
  oidc_user_claim: text('The claim that becomes the user name.'),
  oidc_verify_cert: flag('Whether the certificate of the provider is checked.', true),
  oidc_auto_onboard: flag(
    'Whether who comes first gets `oidc_user_claim` as user name without being asked.',
    false,
  ),
  oidc_extra_redirect_parms: text(
    'Parameters for the way to the provider: a JSON object of texts.',
    undefined,
    jsonObject('a JSON object of texts, in a text', (value) => typeof value === 'string'),
    '{}',
  ),
  oidc_logout: flag('Whether a logout ends the session at the provider too.', false),

  project_creation_restriction: choice(
    'Who creates projects.',
    ['everyone', 'adminonly'],
    'PROJECT_CREATION_RESTRICTION',
  ),
  read_only: flag('Whether nothing can be changed save this.', false, 'READ_ONLY'),
  self_registration: flag('Whether people can make themselves an account.', false, 'SELF_REGISTRATION'),
  token_expiration: number(
    'How long a registry token lives, in minutes; it lives for a day at most.',
    30,
    'TOKEN_EXPIRATION',
    [1, most],
  ),
  session_timeout: number(
    'After how long without a request a login in the browser ends, in minutes.',
    60,
    'SESSION_TIMEOUT',
    [1, most],
  ),
  robot_token_duration: number(
    'How long a robot account lives that is made without a word about that, in days.',
    30,
    'ROBOT_TOKEN_DURATION',
    [1, most],
  ),
  robot_name_prefix: text(
    'What the user names of robot accounts begin with.',
    'ROBOT_NAME_PREFIX',
    prefixFault,
    'robot$',
  ),
  notification_enable: flag('Whether webhooks are called.', true, 'NOTIFICATION_ENABLE'),
  quota_per_project_enable: flag('Whether quotas count.', true, 'QUOTA_PER_PROJECT_ENABLE'),
  storage_per_project: number(
    'What a new project may store, in bytes; -1 for no limit.',
    -1,
    'STORAGE_PER_PROJECT',
    [1, Number.MAX_SAFE_INTEGER],
    [-1],
  ),
  audit_log_forward_endpoint: text(
    'Where the audit log is sent as well: `host:port` of a syslog server.',
    'AUDIT_LOG_FORWARD_ENDPOINT',
  ),
  skip_audit_log_database: flag(
    'Whether the audit log is only sent there.',
    false,
    'SKIP_LOG_AUDIT_DATABASE',
  ),
  disabled_audit_log_event_types: text(
    'What the audit log leaves out: names of event types, with commas between.',
    'AUDIT_LOG_EVENTS_DISABLED',
    eventTypesFault,
  ),
  scanner_skip_update_pulltime: flag(
    'Whether a pull by a scanner is none.',
    false,
    'SCANNER_SKIP_UPDATE_PULL_TIME',
  ),
  banner_message: text(
    'What everybody is told on every page: a JSON object with `message`, `type`, `closable`, `fromDate` and `toDate`.',
    'BANNER_MESSAGE',
    jsonObject('a JSON object, in a text'),
  ),
} as const;

const internal = {
  pull_time_update_disable: asInternal(
    flag('Whether the time of pulls is not kept.', false, 'PULL_TIME_UPDATE_DISABLE'),
  ),
  pull_count_update_disable: asInternal(
    flag('Whether pulls are not counted.', false, 'PULL_COUNT_UPDATE_DISABLE'),
  ),
  pull_audit_log_disable: asInternal(
    flag('Whether the audit log leaves pulls out.', false, 'PULL_AUDIT_LOG_DISABLE'),
  ),
} as const;

function asInternal<Of extends Value>(item: Item<Of>): Item<Of> {
  return { ...item, isInternal: true };
}

/** Everything that can be changed while the system runs, by Harbor's names. */
export const items = { ...listed, ...internal };

type Items = typeof items;
export type ItemName = keyof Items;
export type SecretName = { [Name in ItemName]: Items[Name] extends SecretItem ? Name : never }[ItemName];
export type PlainName = Exclude<ItemName, SecretName>;

type ValueOf<Of> = Of extends Item<infer Held> ? Held : never;

/** What the items are; secrets are asked for one by one. */
export type Configuration = { readonly [Name in PlainName]: ValueOf<Items[Name]> };
export type Secrets = { readonly [Name in SecretName]: string };

export const itemNames = Object.keys(items) as readonly ItemName[];
export const isItem = (name: string): name is ItemName => Object.hasOwn(items, name);
export const isSecret = (name: ItemName): name is SecretName => (items[name] as Item).isSecret === true;

/** What `value` would have to be for the item; undefined where it is good. */
export const faultIn = (name: ItemName, value: Value): string | undefined =>
  isOfKind(name, value) ? (items[name] as Item).faultOf(value) : kindOf(name);

const kindOf = (name: ItemName): string =>
  ({ text: 'text', flag: 'true or false', number: 'a whole number' })[items[name].kind];

/** Whether the value is one that the item can hold at all. */
export function isOfKind(name: ItemName, value: unknown): value is Value {
  switch (items[name].kind) {
    case 'text':
      return typeof value === 'string';
    case 'flag':
      return typeof value === 'boolean';
    case 'number':
      return Number.isSafeInteger(value);
  }
}

/** What the items are where nothing says otherwise. */
export const standardConfiguration = Object.fromEntries(
  itemNames.filter((name) => !isSecret(name)).map((name) => [name, items[name].default]),
) as Configuration;

/** `over` where it says something that the item can hold, `under` elsewhere. */
export function overlaid(under: Configuration, over: Readonly<Record<string, unknown>>): Configuration {
  const known = Object.entries(over).filter(
    ([name, value]) => isItem(name) && !isSecret(name) && isOfKind(name, value),
  );
  return { ...under, ...(Object.fromEntries(known) as Partial<Configuration>) };
}
