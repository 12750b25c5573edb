import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loginThrottle, networkOf } from '../gateway/auth/login-throttle.ts';

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
      const seconds = throttle.admit(account, address);
      if (seconds === 0) await throttle.failed(account, address);
      return seconds;
    },
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
  const { fail, throttle, pauses } = throttleAt();
  for (let n = 0; n < 500; n += 1) await fail('jane', `192.0.2.${n % 250}`);
  assert.equal(throttle.admit('jane', '198.51.100.7'), 0);
  throttle.succeeded('jane', '198.51.100.7');
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
  const { throttle, fail } = throttleAt();
  for (let n = 0; n < 1000; n += 1) {
    assert.equal(throttle.admit('jane', '192.0.2.1'), 0);
    throttle.succeeded('jane', '192.0.2.1');
  }
  assert.equal(await fail('jane', '192.0.2.1'), 0);
});

test('attempts count from when they begin, so that none slips through while others are checked', () => {
  const { throttle } = throttleAt();
  const admitted = Array.from({ length: 100 }, () => throttle.admit('jane', '192.0.2.1'));
  assert.equal(admitted.filter((seconds) => seconds === 0).length, 20);
});

const networks: Readonly<Record<string, string>> = {
  '192.0.2.1': '192.0.2.1',
  '::ffff:192.0.2.1': '192.0.2.1',
  '2001:db8:1:2:3:4:5:6': '2001:db8:1:2',
  '2001:db8:1:2::6': '2001:db8:1:2',
  '2001:db8::6': '2001:db8:0:0',
  '::1': '0:0:0:0',
};
for (const [address, network] of Object.entries(networks)) {
  test(`the network of ${address} is ${network}`, () => assert.equal(networkOf(address), network));
}
