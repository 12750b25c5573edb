import type { Append } from '../../infra/event-log/port.ts';
import { startServer, type TestServer } from '../server.ts';
import { until } from '../until.ts';
import { type Bench, type Figure, measure, milliseconds, percentile, ratio } from './bench.ts';
import { assignedTag, pushedManifest } from './events.ts';
import { connect, type HttpClient } from './http-client.ts';
import { recordBeside } from './postgres.ts';
import { cpuMsOf } from './processes.ts';

const few = 100;
const many = 100_000;
const pageOf = 100;
const requests = 300;
/** Events that are recorded together; the engine takes 2,000 in one transaction. */
const together = 1_000;
const repository = 'library/tagged';
const numberOf = (index: number): string => String(index).padStart(6, '0');

/** A page of 100 tags or repositories, with 100 and with 100,000 of them: from the beginning, and from the middle. */
export const lists: Bench = {
  name: 'lists',
  async run(scope) {
    const server = await startServer(scope, { environment: { SHIPLOG_LOG_LEVEL: 'info' } });
    const credentials = Buffer.from(`admin:${server.password}`).toString('base64');
    const port = Number(new URL(server.url).port);
    const headers = { authorization: `Basic ${credentials}` };
    const registry = { port, pid: server.pid(), headers, pullHeaders: async () => headers };
    const client = connect(registry);
    const tags = `/v2/${repository}/tags/list?n=${pageOf}`;
    const catalog = `/v2/_catalog?n=${pageOf}`;
    try {
      await fill(server, 0, few);
      const fewTags = await load(client, registry.pid, tags);
      const fewRepositories = await load(client, registry.pid, catalog);
      await fill(server, few, many);
      const middle = numberOf(many / 2);
      return [
        figureOf('tags', fewTags, await load(client, registry.pid, tags)),
        figureOf(
          'tags, from the middle',
          fewTags,
          await load(client, registry.pid, `${tags}&last=${middle}`),
        ),
        figureOf('repositories', fewRepositories, await load(client, registry.pid, catalog)),
        figureOf(
          'repositories, from the middle',
          fewRepositories,
          await load(client, registry.pid, `${catalog}&last=library/r${middle}`),
        ),
      ].flat();
    } finally {
      client.close();
    }
  },
};

/** Records tags and repositories beside the server, and waits until its views show the last of each. */
async function fill(server: TestServer, from: number, to: number): Promise<void> {
  const appends = (index: number): Append[] => [
    assignedTag(repository, numberOf(index)),
    pushedManifest(`library/r${numberOf(index)}`),
  ];
  await recordBeside(server, async (log) => {
    for (let next = from; next < to; next += together) {
      const numbers = Array.from({ length: Math.min(together, to - next) }, (_, n) => next + n);
      await Promise.all(numbers.map((number) => log.appendMany(appends(number))));
    }
  });
  const shows = async (path: string, name: string): Promise<boolean> => {
    const answer = await server.fetch(path);
    return answer.ok && (await answer.text()).includes(`"${name}"`);
  };
  const before = numberOf(to - 2);
  await until(
    'the views show the last tag and the last repository',
    async () =>
      (await shows(`/v2/${repository}/tags/list?last=${before}`, numberOf(to - 1))) &&
      (await shows(`/v2/_catalog?last=library/r${before}`, `library/r${numberOf(to - 1)}`)),
    300_000,
  );
}

export interface Load {
  readonly p50: number;
  /** Of the server, per request. */
  readonly cpuMs: number;
}

export async function load(client: HttpClient, pid: number, path: string): Promise<Load> {
  const ask = () => client.send('GET', path, 200);
  await measure(1, requests / 3, ask);
  const before = cpuMsOf(pid);
  const { eachMs } = await measure(1, requests, ask);
  return { p50: percentile(eachMs, 0.5), cpuMs: (cpuMsOf(pid) - before) / requests };
}

function figureOf(what: string, ofFew: Load, ofMany: Load): Figure[] {
  const among = `page of ${pageOf} ${what}, among ${many.toLocaleString('en')} and among ${few}`;
  return [
    {
      work: `${among}: p50`,
      ours: `${milliseconds(ofMany.p50)}, ${milliseconds(ofFew.p50)}`,
      ratio: ratio(ofMany.p50, ofFew.p50),
      goal: '≤ 2 × among 100',
      met: ofMany.p50 <= 2 * ofFew.p50,
    },
    {
      work: `${among}: CPU of the server`,
      ours: `${milliseconds(ofMany.cpuMs)}, ${milliseconds(ofFew.cpuMs)}`,
      ratio: ratio(ofMany.cpuMs, ofFew.cpuMs),
    },
  ];
}
