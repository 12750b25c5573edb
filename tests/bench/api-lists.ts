import assert from 'node:assert/strict';
import { startServer, type TestServer } from '../server.ts';
import { until } from '../until.ts';
import { type Bench, type Figure, milliseconds, ratio } from './bench.ts';
import { taggedManifest } from './events.ts';
import { connect } from './http-client.ts';
import { type Load, load } from './lists.ts';
import { recordBeside } from './postgres.ts';

const few = 100;
const manyArtifacts = 100_000;
const manyRepositories = 1_000;
/** Events that are recorded together; the engine takes 2,000 in one transaction. */
const together = 1_000;
const numberOf = (index: number): string => `1.${index}`;

/** Where there are few and where there are many of a thing. */
interface Place {
  readonly repository: string;
  readonly count: number;
}
const [fewIn, manyIn]: readonly [Place, Place] = [
  { repository: 'few/app', count: few },
  { repository: 'many/app', count: manyArtifacts },
];

/** Pages of what the management API lists, among few and among many. */
export const apiLists: Bench = {
  name: 'api-lists',
  async run(scope) {
    const server = await startServer(scope, { environment: { SHIPLOG_LOG_LEVEL: 'info' } });
    for (const project of ['few', 'many', 'narrow', 'wide']) await createProject(server, project);
    await fill(server);
    const headers = {
      authorization: `Basic ${Buffer.from(`admin:${server.password}`).toString('base64')}`,
    };
    const port = Number(new URL(server.url).port);
    const client = connect({ port, headers });
    const time = (path: string) => load(client, server.pid(), `/api/v2.0/projects/${path}`);
    const compared = async (what: string, ofFew: string, ofMany: string) =>
      figureOf(what, await time(ofFew), await time(ofMany));
    try {
      const flags = 'with_tag=true&with_label=true&with_accessory=true';
      const artifacts = (project: string, query: string) =>
        `${project}/repositories/app/artifacts?${query}&${flags}`;
      const tags = (project: string, query: string) => `${project}/repositories/app/tags?${query}`;
      const last = await lastPlace(server);
      return [
        await compared('10 artifacts', artifacts('few', 'page=1'), artifacts('many', 'page=1')),
        await compared(
          '100 artifacts',
          artifacts('few', 'page_size=100'),
          artifacts('many', 'page_size=100'),
        ),
        await compared(
          '100 artifacts, the last',
          artifacts('few', 'page_size=100'),
          artifacts('many', `page_size=100&page=${manyArtifacts / 100}`),
        ),
        await compared('100 tags as rows', tags('few', 'limit=100'), tags('many', 'limit=100')),
        await compared(
          '100 tags as rows, the last',
          tags('few', 'limit=100'),
          tags('many', `limit=100&after=${last}`),
        ),
        await compared(
          '100 repositories',
          'narrow/repositories?page_size=100',
          'wide/repositories?page_size=100',
        ),
        await compared(
          '100 repositories, the last',
          'narrow/repositories?page_size=100',
          `wide/repositories?page_size=100&page=${manyRepositories / 100}`,
        ),
      ].flat();
    } finally {
      client.close();
    }
  },
};

async function createProject(server: TestServer, name: string): Promise<void> {
  const answer = await server.fetch('/api/v2.0/projects', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ project_name: name }),
  });
  assert.equal(answer.status, 201);
}

/** Records the artifacts and the repositories beside the server, and waits until it lists them all. */
async function fill(server: TestServer): Promise<void> {
  const images = [
    ...[fewIn, manyIn].flatMap(({ repository, count }) =>
      Array.from({ length: count }, (_, index) => ({ repository, tag: numberOf(index) })),
    ),
    ...['narrow', 'wide'].flatMap((project) =>
      Array.from({ length: project === 'wide' ? manyRepositories : few }, (_, index) => ({
        repository: `${project}/r${index}`,
        tag: 'latest',
      })),
    ),
  ];
  await recordBeside(server, async (log) => {
    for (let next = 0; next < images.length; next += together)
      await Promise.all(
        images
          .slice(next, next + together)
          .map(({ repository, tag }) => log.appendMany(taggedManifest(repository, tag))),
      );
  });
  const totalOf = async (path: string): Promise<number> =>
    Number((await server.fetch(`/api/v2.0/projects/${path}`)).headers.get('x-total-count'));
  await until(
    'all of it is listed',
    async () =>
      (await totalOf('many/repositories/app/artifacts')) === manyArtifacts &&
      (await totalOf('wide/repositories')) === manyRepositories,
    300_000,
  );
}

/** Where the last hundred tags of many begin; from the other end that is where the first page ends. */
async function lastPlace(server: TestServer): Promise<string> {
  const path = '/api/v2.0/projects/many/repositories/app/tags';
  const answer = await server.fetch(`${path}?sort=-name&limit=100`);
  const rows = (await answer.json()) as { readonly tag: string }[];
  assert.equal(rows.length, 100);
  const [, place = ''] = /after=([^&>]+)/.exec(answer.headers.get('link') ?? '') ?? [];
  return place;
}

function figureOf(what: string, ofFew: Load, ofMany: Load): Figure[] {
  const work = `page of ${what}, among many and among ${few}`;
  return [
    {
      work: `${work}: p50`,
      ours: `${milliseconds(ofMany.p50)}, ${milliseconds(ofFew.p50)}`,
      ratio: ratio(ofMany.p50, ofFew.p50),
      goal: '≤ 2 × among 100',
      met: ofMany.p50 <= 2 * ofFew.p50,
    },
    {
      work: `${work}: CPU of the server`,
      ours: `${milliseconds(ofMany.cpuMs)}, ${milliseconds(ofFew.cpuMs)}`,
      ratio: ratio(ofMany.cpuMs, ofFew.cpuMs),
    },
  ];
}
