import assert from 'node:assert/strict';
import { v7 } from 'uuid';
import type { AuditRecord } from '../domain/audit/record.ts';

/** A record of a login, with something else in it. */
export const auditRecord = (of: Partial<AuditRecord> = {}): AuditRecord => ({
  position: '7',
  eventId: v7(),
  at: new Date('2026-05-04T03:02:01.987Z'),
  operation: 'login_user',
  resourceType: 'user',
  eventType: 'LoginSucceeded',
  actorKind: 'user',
  actor: 'ann',
  accessToken: null,
  address: '192.0.2.7',
  userAgent: 'docker/27.0',
  projectId: 3,
  resource: 'ann',
  description: 'login',
  succeeded: true,
  reason: null,
  correlationId: 'of-one-request',
  requestId: 'of-the-client',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  ...of,
});

/** What must not break a form: the characters that any of them means something by, and what is no text. */
export const hostileText = 'a|b=c\\d"e]f\r\ng\u0000h\u2028ü😀\ud800%{[<>&';

/** A message in the Common Event Format, by its rules; throws for anything else. */
export function parseCef(message: string): {
  readonly header: readonly string[];
  readonly extension: Readonly<Record<string, string>>;
} {
  assert.doesNotMatch(message, /[\r\n]/);
  const found = /^CEF:0((?:\|(?:[^|\\]|\\[\\|])*){6})\|(.*)$/s.exec(message);
  assert.ok(found, `no CEF: ${message}`);
  const [, parts = '', pairs = ''] = found;
  const header = [...parts.matchAll(/\|((?:[^|\\]|\\[\\|])*)/gs)].map(([, part = '']) =>
    part.replace(/\\([\\|])/g, '$1'),
  );
  const extension: Record<string, string> = {};
  const pair = /(?:^| )([A-Za-z0-9]+)=((?:[^=\\]|\\[=\\nr])*)(?= [A-Za-z0-9]+=|$)/gsy;
  let end = 0;
  for (let match = pair.exec(pairs); match !== null; match = pair.exec(pairs)) {
    extension[match[1] ?? ''] = (match[2] ?? '').replace(/\\(.)/g, (_, one) => (one === 'n' ? '\n' : one));
    end = pair.lastIndex;
  }
  assert.equal(end, pairs.length, `no pairs of CEF: ${pairs.slice(end)}`);
  return { header, extension };
}
