import assert from 'node:assert/strict';
import { test } from 'node:test';
import { typeableSecret } from '../bin/typeable-secret.ts';

test('of thousands of passwords none begins like an option of a command', () => {
  const secrets = Array.from({ length: 5000 }, () => typeableSecret(18));
  assert.equal(new Set(secrets).size, secrets.length);
  for (const secret of secrets) assert.match(secret, /^\w[\w-]{23}$/);
});
