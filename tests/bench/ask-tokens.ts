import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { measure } from './bench.ts';
import { connect } from './http-client.ts';
import type { Registry } from './registries.ts';

type Asked = Pick<Registry, 'port' | 'headers'> & { readonly scope: string };

/** Asks for one token after the other until it is stopped; `stop` answers with the milliseconds of each. */
export interface TokenAsker {
  stop(): Promise<readonly number[]>;
}

/** In a thread of its own, so that the load which a bench makes meanwhile does not delay the clock. */
export async function askTokens({ port, headers }: Registry, scope: string): Promise<TokenAsker> {
  const workerData: Asked = { port, headers, scope };
  const worker = new Worker(new URL(import.meta.url), { workerData });
  await once(worker, 'message');
  return {
    async stop() {
      const told = once(worker, 'message');
      worker.postMessage('stop');
      const [eachMs] = (await told) as [readonly number[]];
      return eachMs;
    },
  };
}

if (!isMainThread && parentPort !== null) {
  const { scope, ...registry } = workerData as Asked;
  const client = connect(registry);
  const path = `/service/token?service=harbor-registry&scope=${scope}`;
  const ask = () => client.send('GET', path, 200);
  await measure(1, 50, ask);
  let running = true;
  parentPort.once('message', () => {
    running = false;
  });
  parentPort.postMessage('ready');
  const eachMs: number[] = [];
  while (running) eachMs.push(...(await measure(1, 1, ask)).eachMs);
  client.close();
  parentPort.postMessage(eachMs);
}
