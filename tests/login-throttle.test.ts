import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loginThrottle } from '../gateway/auth/login-throttle.ts';
import { RequestRefused } from '../gateway/errors.ts';
import { until } from './until.ts';

/** A throttle on a clock of the test's; `pauses` are those that it made, in milliseconds. */
function throttleAt(start = 0) {
  const pauses: number[] = [];
  let now = start;
  const throttle = loginThrottle({
    now: () => now,
    pause: async (ms) => {
      pauses.push(ms);
    },
  });
  return {
    pauses,
    throttle,
    pass: (ms: number): void => {
      now += ms;
    },
    /** The seconds to wait; 0 for an attempt that was made and failed. */
    async fail(account: string, address: string): Promise<number> {
      try {
        assert.equal(await throttle.attempt(account, address, async () => false), false);
        await throttle.pauseAfterFailure(account, address);
        return 0;
      } catch (error) {
        if (error instanceof RequestRefused) return Number(error.answer.headers?.['retry-after']);
        throw error;
      }
    },
    succeed: async (account: string, address: string): Promise<void> =>
      assert.equal(await throttle.attempt(account, address, async () => true), true),
  };
}

/** How often somebody can fail before he is refused. */
async function failuresUntilRefused(fail: () => Promise<number>, most: number): Promise<number> {
  for (let failures = 0; failures < most; failures += 1) if ((await fail()) > 0) return failures;
  return most;
}

test('the answers to the first failures come at once, the later ones slower and slower, up to 1.5 s', async () => {
  const { fail, pauses } = throttleAt();
  for (let n = 0; n < 12; n += 1) await fail('jane', '192.0.2.1');
  assert.deepEqual(pauses, [100, 200, 400, 800, 1500, 1500, 1500, 1500, 1500]);
});

test('who fails on an account again and again is refused with the seconds to wait, and then let in for one attempt', async () => {
  const { fail, pass } = throttleAt();
  const attempt = () => fail('jane', '192.0.2.1');
  assert.equal(await failuresUntilRefused(attempt, 100), 20);
  assert.equal(await attempt(), 10);
  pass(9999);
  assert.equal(await attempt(), 1);
  pass(1);
  assert.equal(await attempt(), 0);
  assert.equal(await attempt(), 10);
});

test('who is refused does not have to wait longer because he tries', async () => {
  const { fail, pass } = throttleAt();
  await failuresUntilRefused(() => fail('jane', '192.0.2.1'), 100);
  for (let n = 0; n < 1000; n += 1) await fail('jane', '192.0.2.1');
  pass(10_000);
  assert.equal(await fail('jane', '192.0.2.1'), 0);
});

test('a stranger elsewhere locks nobody out of an account, and makes only failures slow', async () => {
  const { fail, succeed, pauses } = throttleAt();
  for (let n = 0; n < 500; n += 1) await fail('jane', `192.0.2.${n % 250}`);
  await succeed('jane', '198.51.100.7');
  pauses.length = 0;
  await fail('jane', '198.51.100.7');
  assert.deepEqual(pauses, [1500]);
});

test('who tries many accounts from one address is refused, and others are not', async () => {
  const { fail } = throttleAt();
  let account = 0;
  assert.equal(await failuresUntilRefused(() => fail(`account-${++account}`, '192.0.2.1'), 1000), 200);
  assert.equal(await fail('another', '192.0.2.2'), 0);
});

test('the addresses of one IPv6 network count as one', async () => {
  const { fail } = throttleAt();
  let n = 0;
  assert.equal(
    await failuresUntilRefused(() => fail('jane', `2001:db8:1:2::${(++n).toString(16)}`), 1000),
    20,
  );
  assert.equal(await fail('jane', '2001:db8:1:3::1'), 0);
});

test('right passwords are not counted, however many', async () => {
  const { succeed, fail, pauses } = throttleAt();
  for (let n = 0; n < 1000; n += 1) await succeed('jane', '192.0.2.1');
  assert.equal(await fail('jane', '192.0.2.1'), 0);
  assert.deepEqual(pauses, []);
});

test('a password that could not be checked is not counted, and keeps nobody waiting', async () => {
  const { throttle, fail } = throttleAt();
  const broken = async () => {
    throw new Error('made by the test');
  };
  const attempts = Array.from({ length: 1000 }, () => throttle.attempt('jane', '192.0.2.1', broken));
  for (const attempt of attempts) await assert.rejects(attempt, /made by the test/);
  assert.equal(await failuresUntilRefused(() => fail('jane', '192.0.2.1'), 100), 20);
});

test('attempts begin in the order in which they came, as far as those under way may still fail', async () => {
  const { throttle } = throttleAt();
  const begun: number[] = [];
  const gates = Array.from({ length: 30 }, () => Promise.withResolvers<boolean>());
  const attempts = gates.map(({ promise }, number) =>
    throttle.attempt('jane', '192.0.2.1', () => {
      begun.push(number);
      return promise;
    }),
  );
  const first = Array.from({ length: 20 }, (_, number) => number);
  const outcomes = Promise.allSettled(attempts);
  gates[3]?.resolve(false);
  assert.equal(await attempts[3], false);
  assert.deepEqual(begun, first);
  gates[7]?.resolve(true);
  assert.equal(await attempts[7], true);
  await until('the next one begins', () => begun.length > 20);
  for (const { resolve } of gates) resolve(false);
  const settled = (await outcomes).map(({ status }) => status);
  assert.deepEqual(begun, [...first, 20]);
  assert.deepEqual(settled.slice(20), ['fulfilled', ...Array.from({ length: 9 }, () => 'rejected')]);
});

test('who has an account of his own does not wait for those who guess another one beside him', async () => {
  const { throttle, succeed } = throttleAt();
  const gate = Promise.withResolvers<boolean>();
  const guesses = Array.from({ length: 100 }, () =>
    throttle.attempt('jane', '192.0.2.1', () => gate.promise),
  );
  const ended = Promise.allSettled(guesses);
  await succeed('john', '192.0.2.1');
  gate.resolve(false);
  await ended;
});
