import assert from 'node:assert/strict';
import { ask, createdId } from '../http/api-client.ts';
import type { Scope, TestServer } from '../server.ts';
import { startReceiver } from '../webhook-receiver.ts';
import type { Subscriber } from './subscribers.ts';

/** What a server has to be told so that it delivers to this machine, and does not wait long for who hangs. */
export const webhookSettings = {
  SHIPLOG_WEBHOOKS_ALLOWED_ADDRESSES: '127.0.0.1',
  SHIPLOG_WEBHOOKS_FIRST_PAUSE_SECONDS: '0.1',
  SHIPLOG_NOTIFICATION_WEBHOOK_JOB_HTTP_CLIENT_TIMEOUT: '1',
};

/** Of a hundred requests: how many hang, are cut off, and are answered with 500. */
const failures = { hang: 2, drop: 14, error: 14 };

/**
 * Takes what policies tell of pushes to `library`, one policy a repository, and fails at three requests of ten. An event has
 * come when it was answered with 200.
 */
export async function receiveWebhooks(
  t: Scope,
  server: TestServer,
  repositories: readonly string[],
  random: () => number,
): Promise<Subscriber> {
  const receiver = await startReceiver(t);
  const received: string[] = [];
  receiver.reply(({ headers }) => {
    const lot = random() * 100;
    if (lot < failures.hang) return 'hang';
    if (lot < failures.hang + failures.drop) return 'drop';
    if (lot < failures.hang + failures.drop + failures.error) return 500;
    // `<event>_<policy>_<target>`.
    received.push(String(headers['webhook-id']).split('_')[0] ?? '');
    return 200;
  });
  for (const repository of repositories) {
    const body = {
      name: repository,
      enabled: true,
      event_types: ['PUSH_ARTIFACT'],
      targets: [{ type: 'http', address: `${receiver.url}/${repository}`, payload_format: 'CloudEvents' }],
      filters: { repositories: { pattern: repository } },
    };
    const created = await ask(server, 'POST', '/projects/library/webhook/policies', { body });
    assert.ok(createdId(created) > 0);
  }
  return {
    name: 'webhooks',
    expects: (type) => type === 'TagAssigned' || type === 'TagMoved',
    received,
    stop: async () => undefined,
  };
}
