import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import type { Scope } from '../server.ts';
import { until } from '../until.ts';
import { api, password } from './api-client.ts';
import type { Target } from './client.ts';

/** One block of a stream of events. */
export interface StreamedEvent {
  readonly id: string;
  readonly event: string;
  // biome-ignore lint/suspicious/noExplicitAny: what it holds is what the test is about.
  readonly data: any;
}

export interface EventStream {
  readonly answer: IncomingMessage;
  /** All that has come so far but checkpoints. */
  readonly events: readonly StreamedEvent[];
  readonly checkpoints: readonly StreamedEvent[];
  readonly comments: readonly string[];
  hasEnded(): boolean;
  /** What a client would send as Last-Event-ID now. */
  lastId(): string;
  has(count: number): Promise<void>;
  close(): void;
}

/** Follows events as a client of server-sent events does; `as` as for `ask`. */
export async function followEvents(
  t: Scope,
  target: Target,
  query = '',
  { as, lastEventId }: { readonly as?: string; readonly lastEventId?: string } = {},
): Promise<EventStream> {
  const { hostname, port } = new URL(target.url);
  const who =
    as === undefined ? `admin:${target.password}` : as === '' || as.includes(':') ? as : `${as}:${password}`;
  const agent = new Agent();
  const outgoing = request({
    ...{ hostname, port, agent, path: `${api}/events${query}` },
    headers: {
      accept: 'text/event-stream',
      ...(who !== '' && { authorization: `Basic ${Buffer.from(who).toString('base64')}` }),
      ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
    },
  });
  outgoing.end();
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
  const [events, checkpoints, comments]: [StreamedEvent[], StreamedEvent[], string[]] = [[], [], []];
  let rest = '';
  let last = '';
  let ended = false;
  answer.setEncoding('utf8').on('data', (text: string) => {
    const blocks = (rest + text).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) read(block);
  });
  for (const name of ['end', 'close', 'error'])
    answer.on(name, () => {
      ended = true;
    });

  function read(block: string): void {
    const fields = Object.fromEntries(
      block.split('\n').map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon), line.slice(colon + 2)];
      }),
    );
    if (fields[''] !== undefined) comments.push(fields['']);
    if (fields.id === undefined) return;
    last = fields.id;
    const event = { id: fields.id, event: fields.event ?? '', data: JSON.parse(fields.data ?? '') };
    (event.event === 'checkpoint' ? checkpoints : events).push(event);
  }

  const close = () => {
    outgoing.destroy();
    agent.destroy();
  };
  t.after(async () => close());
  return {
    ...{ answer, events, checkpoints, comments, close },
    hasEnded: () => ended,
    lastId: () => last,
    has: (count) => until(`${count} events have come`, () => events.length >= count, 30_000),
  };
}
