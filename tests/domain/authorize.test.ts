import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Action, actorOf, authorize, type Principal } from '../../domain/access/authorize.ts';

const principals = {
  anonymous: { kind: 'anonymous' },
  user: { kind: 'user', username: 'dev', administrator: false },
  administrator: { kind: 'user', username: 'admin', administrator: true },
} as const satisfies Record<string, Principal>;
const projects = { public: { public: true }, private: { public: false }, missing: null };

/** Who, what, in which project: all that is allowed. */
const allowed = new Set([
  'anonymous pull public',
  'user pull public',
  'administrator pull public',
  'administrator push public',
  'administrator pull private',
  'administrator push private',
  'administrator pull missing',
  'administrator push missing',
]);

for (const [who, principal] of Object.entries(principals)) {
  for (const action of ['pull', 'push'] satisfies Action[]) {
    for (const [which, project] of Object.entries(projects)) {
      const rule = `${who} ${action} ${which}`;
      const verdict = allowed.has(rule);
      test(`${who} may ${verdict ? '' : 'not '}${action} in a project that is ${which}`, () => {
        assert.equal(authorize(principal, action, { project }), verdict);
      });
    }
  }
}

test('events name a user by kind and name, so that no user can pass for anonymous or for the system', () => {
  assert.equal(actorOf(principals.anonymous), 'anonymous');
  assert.equal(actorOf(principals.user), 'user:dev');
  assert.equal(actorOf({ kind: 'user', username: 'anonymous', administrator: false }), 'user:anonymous');
  assert.equal(actorOf({ kind: 'user', username: 'system', administrator: false }), 'user:system');
});
