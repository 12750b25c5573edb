import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { z } from 'zod';
import { catalogue } from '../../domain/catalogue.ts';
import { mentionsOfUsers } from '../../domain/user/mentions.ts';
import { looksLikePseudonym, pseudonymOf, userOfPseudonym } from '../../domain/user/pseudonym.ts';
import { projections } from '../../projections/projections.ts';

/** Fields of these names may hold the name of a user. */
const suspicious = /user|owner|creator|author|actor|member|person|entity.?name|resource|subject|^by$|^name$/i;
/** Those that do not, by the names of their events and paths. */
const ofOthers = new Set([
  // What projects, robots, labels, tokens, groups and policies are called.
  'AccessTokenCreated.name',
  'LabelChanged.name',
  'LabelCreated.name',
  'LabelDeleted.name',
  'ProjectCreated.name',
  'ProjectCveAllowlistChanged.name',
  'ProjectDeleted.name',
  'ProjectMetadataChanged.name',
  'RobotChanged.name',
  'RobotCreated.name',
  'RobotDeleted.name',
  'RobotPreviousSecretEnded.name',
  'RobotSecretChanged.name',
  'UserGroupCreated.name',
  'UserGroupDeleted.name',
  'UserGroupRenamed.name',
  'WebhookPolicyChanged.name',
  'WebhookPolicyCreated.name',
  'WebhookPolicyDeleted.name',
  'WebhookPolicyPaused.name',
  'WebhookPolicyResumed.name',
  'WebhookSecretChanged.name',
  'WebhookSecretRemoved.name',
  // A user or a robot by its number, and the digest of a manifest.
  'RobotCreated.creatorType',
  'ManifestDeleted.subject',
  'ManifestPushed.subject.digest',
  'ManifestPushed.subject.mediaType',
]);

interface JsonSchema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}

/** The paths of texts of any content below a field. */
function textsIn(schema: JsonSchema, path: string): readonly string[] {
  const others = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.items ? [schema.items] : [])];
  const below = Object.entries(schema.properties ?? {}).map(([name, each]) =>
    textsIn(each, `${path}.${name}`),
  );
  const isText = schema.type === 'string' && schema.const === undefined && schema.enum === undefined;
  return [...(isText ? [path] : []), ...below.flat(), ...others.flatMap((each) => textsIn(each, path))];
}

const texts = [...catalogue.values()].flatMap(({ type, schema }) =>
  textsIn(z.toJSONSchema(schema, { io: 'output' }) as JsonSchema, type),
);
const declared = new Set(
  Object.entries(mentionsOfUsers).flatMap(([type, mentions]) =>
    mentions.map(({ path }) => [type, ...path].join('.')),
  ),
);

test('each field of an event that may name a user is declared, or is known to name something else', () => {
  const isSuspicious = (path: string) =>
    path
      .split('.')
      .slice(1)
      .some((name) => suspicious.test(name));
  assert.deepEqual(
    texts.filter((path) => isSuspicious(path) && !declared.has(path) && !ofOthers.has(path)),
    [],
    'declare it in domain/user/mentions.ts, so that the name can be erased, or list it here',
  );
});

test('each declared field is one that events have', () => {
  const known = new Set(texts);
  assert.deepEqual(
    [...declared].filter((path) => !known.has(path)),
    [],
  );
});

test('each projection with names of users says so, since it is built anew when one is erased', async () => {
  const root = new URL('../../projections/', import.meta.url);
  for (const folder of await readdir(root, { withFileTypes: true })) {
    if (!folder.isDirectory()) continue;
    const files = await readdir(new URL(`${folder.name}/`, root));
    const sources = await Promise.all(
      files.map((file) => readFile(new URL(`${folder.name}/${file}`, root), 'utf8')),
    );
    const readsActor = sources.some((source) => /\bactor\b/.test(source));
    if (readsActor)
      assert.ok(
        sources.some((source) => source.includes('showsUserNames: true')),
        folder.name,
      );
  }
  // They handle events that name users, and keep no names.
  const nameless = new Set(['preferences', 'robots']);
  for (const { name, handles, showsUserNames } of projections)
    if (!nameless.has(name) && handles.some((type) => Object.hasOwn(mentionsOfUsers, type)))
      assert.ok(showsUserNames, `${name} handles events that name users`);
});

test('a pseudonym says which user it stands for, and nothing else looks like one', () => {
  assert.equal(userOfPseudonym(pseudonymOf(12)), 12);
  for (const name of ['erased-', 'erased-0', 'erased-012', 'erased-1x', 'Erased-1', 'erased', 'jane'])
    assert.equal(userOfPseudonym(name), undefined, name);
  for (const name of ['erased-12', 'ERASED-012', ' erased-1 ', 'erased-１'])
    assert.ok(looksLikePseudonym(name), name);
  for (const name of ['erased', 'erased-jane', 'un-erased-1x']) assert.ok(!looksLikePseudonym(name), name);
});
