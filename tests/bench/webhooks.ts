import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, createdId, createProject } from '../http/api-client.ts';
import { imageOf, pushBlob, putManifest } from '../http/client.ts';
import { startServer } from '../server.ts';
import { type Bench, measure, milliseconds, percentile, ratio } from './bench.ts';

const policies = 100;
const pushes = 60;
const rounds = 3;
/** A registry at work, and not one at its limit. */
const everyMs = 150;

/** What a push takes while a hundred webhooks are told of it whose target is dead, beside a push that nobody is told of. */
export const webhooks: Bench = {
  name: 'webhooks',
  async run(scope) {
    const server = await startServer(scope, {
      environment: { SHIPLOG_WEBHOOKS_ALLOWED_ADDRESSES: '127.0.0.1' },
    });
    await createProject(server, 'team');
    const blob = await pushBlob(server, 'team/app', '{}');
    const path = '/projects/team/webhook/policies';
    // Nobody listens there.
    const targets = [{ type: 'http', address: 'http://127.0.0.1:1/' }];
    const bodyOf = (index: number, enabled: boolean) => ({
      ...{ name: `dead-${index}`, enabled, targets, event_types: ['PUSH_ARTIFACT'] },
    });
    const ids: number[] = [];
    for (let index = 0; index < policies; index += 1)
      ids.push(createdId(await ask(server, 'POST', path, { body: bodyOf(index, false) })));
    const enable = async (enabled: boolean) => {
      for (const [index, id] of ids.entries())
        await ask(server, 'PUT', `${path}/${id}`, { body: bodyOf(index, enabled) });
    };
    let mark = 0;
    const push = async () => {
      mark += 1;
      const manifest = imageOf(blob, [blob], { annotations: { mark: String(mark) } });
      assert.equal((await putManifest(server, 'team/app', `v${mark}`, manifest)).status, 201);
    };
    await measure(1, pushes, push);
    const ways = [
      { way: 'one behind the other', without: [] as number[], told: [] as number[], once: oneByOne },
      { way: `one each ${everyMs} ms`, without: [] as number[], told: [] as number[], once: paced },
    ];
    async function oneByOne(): Promise<readonly number[]> {
      return (await measure(1, pushes, push)).eachMs;
    }
    async function paced(): Promise<readonly number[]> {
      const each: number[] = [];
      for (let index = 0; index < pushes; index += 1) {
        await sleep(everyMs);
        const began = performance.now();
        await push();
        each.push(performance.now() - began);
      }
      return each;
    }
    for (let round = 0; round < rounds; round += 1)
      for (const { without, told, once } of ways) {
        without.push(...(await once()));
        await enable(true);
        told.push(...(await once()));
        await enable(false);
      }
    const figure = ({ way, without, told }: (typeof ways)[number], share: number) => {
      const [ours, base] = [percentile(told, share), percentile(without, share)];
      return {
        work: `push told to ${policies} dead webhooks, ${way}, p${share * 100}; beside it told to none`,
        ours: milliseconds(ours),
        peer: milliseconds(base),
        ratio: ratio(ours, base),
        goal: '≤ 1.1',
        met: ours <= base * 1.1,
      };
    };
    return ways.flatMap((way) => [figure(way, 0.5), figure(way, 0.9)]);
  },
};
