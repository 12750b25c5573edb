import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loginWith } from '../gateway/auth/login.ts';
import { loginThrottle } from '../gateway/auth/login-throttle.ts';
import { RequestRefused } from '../gateway/errors.ts';

/** Logins of robots `robot$0`, `robot$1`, … whose password is `right`; passwords are checked when `release` says so. */
function loginsOf() {
  const gate = Promise.withResolvers<void>();
  let checks = 0;
  const login = loginWith({
    findLoginUser: async () => undefined,
    findRobot: async (name) => ({
      name,
      robotId: Number(name),
      secretHash: `hash of ${name}`,
      secretVersion: 0,
      previous: null,
      disabled: false,
      expiresAt: null,
      permissions: [],
    }),
    async passwordMatches(_, password) {
      checks += 1;
      await gate.promise;
      return password === 'right';
    },
    throttle: loginThrottle({ now: () => 0, pause: async () => undefined }),
    robotPrefix: async () => 'robot$',
    recordLogin: () => undefined,
  });
  return {
    release: () => gate.resolve(),
    checks: () => checks,
    /** What came of it; refused with 429 is told by the words of the answer. */
    attempt: async (robot: number, password: string, clientIp = '192.0.2.1'): Promise<string> => {
      try {
        const loggedIn = await login(
          { username: `robot$${robot}`, password },
          { actor: 'anonymous', clientIp },
        );
        return loggedIn === undefined ? 'wrong' : 'right';
      } catch (error) {
        if (error instanceof RequestRefused) return error.message;
        throw error;
      }
    },
  };
}

/** How often each of them is there. */
const counted = (outcomes: readonly string[]): Readonly<Record<string, number>> =>
  Object.fromEntries(
    Object.entries(Object.groupBy(outcomes, (outcome) => outcome)).map(([name, all]) => [
      name,
      all?.length ?? 0,
    ]),
  );

const numbers = (count: number) => Array.from({ length: count }, (_, number) => number);

test('however many log in from one address at once, nobody is refused while nobody fails', async () => {
  const { attempt, release } = loginsOf();
  const attempts = numbers(600).map((robot) => attempt(robot, 'right'));
  release();
  assert.deepEqual(counted(await Promise.all(attempts)), { right: 600 });
});

test('who guesses the passwords of many accounts at once has as many guesses as one after the other', async () => {
  const { attempt, release, checks } = loginsOf();
  const attempts = numbers(1000).map((robot) => attempt(robot, 'guess'));
  release();
  assert.deepEqual(counted(await Promise.all(attempts)), { wrong: 200, 'too many failed logins': 800 });
  assert.equal(checks(), 200);
  assert.equal(await attempt(1, 'right', '192.0.2.2'), 'right', 'elsewhere');
});

test('who guesses many passwords of one account at once has as many guesses as one after the other', async () => {
  const { attempt, release, checks } = loginsOf();
  const attempts = numbers(100).map((guess) => attempt(1, `guess ${guess}`));
  release();
  assert.deepEqual(counted(await Promise.all(attempts)), { wrong: 20, 'too many failed logins': 80 });
  assert.equal(checks(), 20);
});

test('a wrong password that comes many times at once is checked once, and fails once for each address', async () => {
  const { attempt, release, checks } = loginsOf();
  const attempts = numbers(100).map((n) => attempt(1, 'guess', `192.0.2.${n % 2}`));
  release();
  assert.deepEqual(counted(await Promise.all(attempts)), { wrong: 100 });
  assert.equal(checks(), 1);
  const more = numbers(30).map((guess) => attempt(1, `guess ${guess}`, '192.0.2.1'));
  assert.deepEqual(counted(await Promise.all(more)), { wrong: 19, 'too many failed logins': 11 });
});
