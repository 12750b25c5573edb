import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authorize } from '../../domain/access/authorize.ts';
import { actorOf, type Principal } from '../../domain/access/principal.ts';

const principals = {
  anonymous: { kind: 'anonymous' },
  user: { kind: 'user', username: 'dev', userId: 2, administrator: false },
  administrator: { kind: 'user', username: 'admin', userId: 1, administrator: true },
} as const satisfies Record<string, Principal>;
const projects = {
  public: { name: 'a', public: true },
  private: { name: 'a', public: false },
  missing: null,
};

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
  for (const action of ['pull', 'push'] as const) {
    for (const [which, project] of Object.entries(projects)) {
      const rule = `${who} ${action} ${which}`;
      const verdict = allowed.has(rule);
      test(`${who} may ${verdict ? '' : 'not '}${action} in a project that is ${which}`, () => {
        assert.equal(
          authorize(principal, `repository:${action}`, { kind: 'project', project, roles: [] }),
          verdict,
        );
      });
    }
  }
}

test('events name a user by kind and name, so that no user can pass for anonymous or for the system', () => {
  assert.equal(actorOf(principals.anonymous), 'anonymous');
  assert.equal(actorOf(principals.user), 'user:dev');
  assert.equal(
    actorOf({ kind: 'user', username: 'anonymous', userId: 2, administrator: false }),
    'user:anonymous',
  );
  assert.equal(actorOf({ kind: 'user', username: 'system', userId: 2, administrator: false }), 'user:system');
});
