import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { configurationJsonSchema, configurationReference } from '../infra/configuration/describe.ts';
import { isRefused, leavesOf, meaningOf } from '../infra/configuration/keys.ts';
import { configurationSchema } from '../infra/configuration/schema.ts';

test('docs/configuration.md says what the schema says', async () => {
  const written = await readFile(new URL('../docs/configuration.md', import.meta.url), 'utf8');
  assert.ok(
    written === configurationReference(),
    'docs/configuration.md is stale; `npm run docs` writes it again',
  );
});

test('every key is in the reference and says what it means', () => {
  const reference = configurationReference();
  for (const { path, schema } of leavesOf(configurationSchema)) {
    assert.notEqual(meaningOf(schema), '', `${path.join('.')} has no meaning`);
    const parts = [path.join('.'), path.slice(1).join('.'), path.slice(2).join('.')];
    assert.ok(
      parts.some((name) => name !== '' && reference.includes(`\`${name}\``)),
      `${path.join('.')} is not there`,
    );
  }
});

test('the JSON Schema marks secrets, holds the keys of harbor.yml and refuses unknown ones', () => {
  type Json = { properties: Record<string, Json & Record<string, unknown>> } & Record<string, unknown>;
  const schema = configurationJsonSchema() as Json;
  assert.equal(schema.additionalProperties, false);
  const password = schema.properties.harbor_admin_password;
  assert.deepEqual([password?.type, password?.writeOnly, password?.format], ['string', true, 'password']);
  assert.equal(schema.properties.trivy?.properties.timeout?.['x-not-used'], true);
  assert.equal(schema.properties.http?.properties.port?.default, 8080);
  assert.equal(schema.properties.data?.default, './data');
  assert.ok([...leavesOf(configurationSchema)].some(({ schema: of }) => isRefused(of)));
});
