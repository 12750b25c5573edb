import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loginEvent, loginsStream, recordedName } from '../../domain/login/events.ts';

const kept: readonly [name: string, recorded: string][] = [
  ['jane', 'jane'],
  ['robot$library+ci', 'robot$library+ci'],
  ['jane.doe@example.com', '*@example.com'],
  ['jane@home@example.com', '*@example.com'],
  ['two\nlines@example.com', '*@example.com'],
  ['', ''],
  ['admin\0', 'admin\uFFFD'],
  ['n'.repeat(300), 'n'.repeat(255)],
  [`${'n'.repeat(254)}😀`, `${'n'.repeat(254)}\uFFFD`],
  ['\uD800', '\uFFFD'],
];
for (const [name, recorded] of kept) {
  test(`of the name ${JSON.stringify(name.slice(0, 30))} of nobody, what is kept is text that no log refuses`, () => {
    assert.equal(recordedName(name), recorded);
    const event = { type: 'LoginFailed', data: { kind: 'user', username: recordedName(name) } };
    assert.ok(loginEvent.safeParse(event).success);
  });
}

test('the logins of a day, by UTC, are in one stream', () => {
  assert.equal(loginsStream(new Date('2026-11-23T23:59:59.999Z')), 'logins/2026-11-23');
  assert.equal(loginsStream(new Date('2026-11-24T00:00:00.000Z')), 'logins/2026-11-24');
});
