import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dueTime, nextTime, parseCron, previousTime } from '../../domain/schedule/cron.ts';

const at = (text: string): Date => new Date(text);
const cronOf = (text: string) => parseCron(text) ?? assert.fail(`${text} is a cron`);
const next = (text: string, after: string) => nextTime(cronOf(text), at(after))?.toISOString();
const previous = (text: string, before: string) => previousTime(cronOf(text), at(before))?.toISOString();

test('a cron has six fields, the first of which are the seconds, and is in UTC', () => {
  assert.equal(next('0 0 * * * *', '2026-11-28T08:20:00Z'), '2026-11-28T09:00:00.000Z');
  assert.equal(next('0 0 0 * * *', '2026-11-28T08:20:00Z'), '2026-11-29T00:00:00.000Z');
  assert.equal(next('0 0 0 * * 0', '2026-11-28T08:20:00Z'), '2026-11-29T00:00:00.000Z');
  assert.equal(next('30 20 8 * * *', '2026-11-28T08:20:00Z'), '2026-11-28T08:20:30.000Z');
  assert.equal(next('0 30 2 1 1 ?', '2026-11-28T08:20:00Z'), '2027-01-01T02:30:00.000Z');
});

test('the next time is after the given one, and the previous one before it', () => {
  assert.equal(next('0 0 9 * * *', '2026-11-28T09:00:00Z'), '2026-11-29T09:00:00.000Z');
  assert.equal(next('0 0 9 * * *', '2026-11-28T08:59:59.999Z'), '2026-11-28T09:00:00.000Z');
  assert.equal(previous('0 0 9 * * *', '2026-11-28T09:00:00Z'), '2026-11-27T09:00:00.000Z');
  assert.equal(previous('0 0 9 * * *', '2026-11-28T09:00:00.001Z'), '2026-11-28T09:00:00.000Z');
  assert.equal(previous('0 59 23 31 12 *', '2026-11-28T09:00:00Z'), '2025-12-31T23:59:00.000Z');
});

test('lists, ranges, steps and names are understood', () => {
  assert.equal(next('0 */20 * * * *', '2026-11-28T08:20:00Z'), '2026-11-28T08:40:00.000Z');
  assert.equal(next('0 5/20 * * * *', '2026-11-28T08:20:00Z'), '2026-11-28T08:25:00.000Z');
  assert.equal(next('0 0 8-10,22 * * *', '2026-11-28T10:00:00Z'), '2026-11-28T22:00:00.000Z');
  assert.equal(next('0 0 0 * FEB mon-fri', '2026-11-28T10:00:00Z'), '2027-02-01T00:00:00.000Z');
});

test('where both kinds of day are restricted, either will do', () => {
  // 30 November 2026 is a Monday.
  assert.equal(next('0 0 0 29 * MON', '2026-11-28T10:00:00Z'), '2026-11-29T00:00:00.000Z');
  assert.equal(next('0 0 0 29 * MON', '2026-11-29T10:00:00Z'), '2026-11-30T00:00:00.000Z');
  assert.equal(next('0 0 0 * * MON', '2026-11-28T10:00:00Z'), '2026-11-30T00:00:00.000Z');
});

test('29 February is due, and be it in eight years', () => {
  assert.equal(next('0 0 0 29 2 *', '2026-11-28T10:00:00Z'), '2028-02-29T00:00:00.000Z');
  assert.equal(next('0 0 0 29 2 *', '2096-03-01T00:00:00Z'), '2104-02-29T00:00:00.000Z');
});

test('what is malformed, out of range or never due is no cron', () => {
  for (const text of [
    '',
    '* * * * *',
    '0 0 0 * * * *',
    '60 * * * * *',
    '0 60 * * * *',
    '0 0 24 * * *',
    '0 0 0 0 * *',
    '0 0 0 32 * *',
    '0 0 0 * 13 *',
    '0 0 0 * * 7',
    '0 0 0 30 2 *',
    '0 0 0 31 feb,apr ?',
    '0 0 5-3 * * *',
    '0 */0 * * * *',
    '0 1,,2 * * * *',
    '0 -1 * * * *',
    '0 1-2-3 * * * *',
    '0 a * * * *',
    '@daily',
    '0 0 0 * * *\0',
    `0 ${'1,'.repeat(500)}1 * * * *`,
  ])
    assert.equal(parseCron(text), undefined, text);
});

test('of all the times that were missed the last one is due', () => {
  const hourly = cronOf('0 0 * * * *');
  const due = (doneUpTo: string, now: string) => dueTime(hourly, at(doneUpTo), at(now))?.toISOString();
  assert.equal(due('2026-11-28T08:00:00Z', '2026-11-28T08:59:59Z'), undefined);
  assert.equal(due('2026-11-28T08:00:00Z', '2026-11-28T09:00:00Z'), '2026-11-28T09:00:00.000Z');
  assert.equal(due('2026-11-28T08:00:00Z', '2027-11-28T09:30:00Z'), '2027-11-28T09:00:00.000Z');
  assert.equal(due('2026-11-28T09:00:00Z', '2026-11-28T08:30:00Z'), undefined, 'the clock went back');
  assert.equal(dueTime(hourly, at('2026-11-28T09:00:00Z'), new Date(Number.NaN)), undefined);
});
